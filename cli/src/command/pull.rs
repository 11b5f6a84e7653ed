//! `pull`: what has arrived, printed and then acknowledged.
//!
//! At least once: a blob is acknowledged after it was written out, so a crash in between prints it again.

use zerok_core::{error::Code, ids::Position};
use zerok_tokio::SyncClient;

use crate::{
    device::{Setting, connect, not_set_up, with},
    exit::{Done, Failure, Outcome},
    names::Names,
    output::Output,
    progress::Progress,
    shape::BlobShape,
};

/// Payload bytes of one step.
const STEP: u32 = 1 << 20;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// After this position; the acknowledged one if absent.
    pub(crate) after: Option<u64>,
    /// This device's own as well.
    pub(crate) own: bool,
    /// Without asking the relay.
    pub(crate) offline: bool,
}

pub(crate) async fn run(setting: &Setting, output: &mut Output, wish: Wish) -> Outcome {
    let client = setting.open().await?;
    with(client, async |client| {
        if client.inspect().await?.identity.is_none() {
            return Err(not_set_up());
        }
        let mut reader = Reader { after: wish.after.map(Position), own: wish.own, names: Names::default(), count: 0 };
        loop {
            let asked = if wish.offline { Ok(()) } else { fetch(client, setting, output).await };
            let before = reader.count;
            reader.drain(client, output).await?;
            match asked {
                // There is more at the relay than the inbox holds at once, and now there is room.
                Err(failure) if failure.code() == Some(Code::InboxFull) && reader.count > before => {}
                // What is here was printed; that the relay could not be asked is still worth an exit status.
                Err(failure) => return Err(failure),
                Ok(()) => break,
            }
        }
        if reader.count == 0 {
            output.note("Nothing new");
        }
        Ok(Done::Well)
    })
    .await
}

async fn fetch(client: &SyncClient, setting: &Setting, output: &Output) -> Outcome<()> {
    let _progress = Progress::waiting(output, "Asking the relay");
    connect(client, setting.patience).await?;
    client.sync_now().await.map_err(Failure::from)
}

/// Reads the inbox step by step.
struct Reader {
    after: Option<Position>,
    own: bool,
    names: Names,
    count: u64,
}

impl Reader {
    /// Prints everything there is, and acknowledges it.
    async fn drain(&mut self, client: &SyncClient, output: &mut Output) -> Outcome<()> {
        loop {
            let pulled = client.pull(self.after, STEP, self.own).await?;
            if pulled.truncated && self.count == 0 && self.after.is_some_and(|after| after > Position(0)) {
                output.note("Older blobs after that cursor are no longer on this device");
            }
            self.names.learn(client, pulled.blobs.iter().map(|blob| blob.sender)).await?;
            for blob in &pulled.blobs {
                let name = self.names.of(blob.sender);
                output.object(&BlobShape::new(blob, name))?;
                output.payload(name.unwrap_or("?"), &blob.data)?;
                self.count += 1;
            }
            self.after = Some(pulled.max_cursor);
            if !pulled.has_more {
                break;
            }
        }
        match self.after {
            Some(printed) => client.ack(printed).await.map_err(Failure::from),
            None => Ok(()),
        }
    }
}
