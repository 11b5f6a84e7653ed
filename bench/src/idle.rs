//! What a link costs a relay that nobody uses.
//!
//! Devices in another process open links as members do: both flights, a first frame that proves them, a blob of their own in the group's
//! log, and then nothing. What the relay's process has grown by, divided by the links, is what one costs, with its share of everything
//! that was allocated on the way and not given back, and with its share of the group: four devices to a group here.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use zerok_core::{
    address::RelayAddress,
    ids::TransportId,
    wire::message::{ToDevice, ToRelay},
};
use zerok_testkit::blocking::{Device, Group, blob, everything};

use crate::{
    bridge::{Over, dial, runtime},
    figure::{Figure, Goal, Outcome, Row},
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Spread,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[
    Figure { name: "idle-tcp", title: "relay memory per idle link, 1,000 over TCP", measure: over_tcp },
    Figure { name: "idle-iroh", title: "relay memory per idle link, 200 over iroh", measure: over_iroh },
];

const TCP: usize = 1000;
const IROH: usize = 200;
/// Devices of a group.
const MEMBERS: usize = 4;
/// How long everything may calm down before memory is read.
const CALM: Duration = Duration::from_secs(3);

fn over_tcp(run: &Run) -> Result<Outcome, Trouble> {
    // A kilobyte is a thousand bytes, as in the goal.
    let row = Row::alone("relay memory per idle link, TCP", "kB", held(run, Over::Tcp, TCP)?, Goal::AtMost(16.0));
    Ok(row.note(format!("{TCP} links at once, {MEMBERS} to a group")).into())
}

fn over_iroh(run: &Run) -> Result<Outcome, Trouble> {
    let row = Row::alone("relay memory per idle link, iroh", "kB", held(run, Over::Iroh, IROH)?, Goal::Shown);
    Ok(row.note(format!("{IROH} links at once, each from an endpoint of its own, {MEMBERS} to a group")).into())
}

/// Kilobytes for each link. A new relay for every round: what an earlier one has freed would hide what a later one needs.
fn held(run: &Run, over: Over, links: usize) -> Result<Spread, Trouble> {
    let rounds = run.rounds.min(3);
    let each = (0..rounds).map(|_| {
        let relay = RelayProcess::start(run, &Settings { iroh: over == Over::Iroh, ..Settings::default() })?;
        thread::sleep(CALM);
        let before = relay.resident()?;
        let devices = Held::open(run, &relay.address, over, links)?;
        thread::sleep(CALM);
        let grown = relay.resident()?.saturating_sub(before);
        devices.end()?;
        Ok(grown as f64 / links as f64 / 1000.0)
    });
    Spread::of(&each.collect::<Result<Vec<_>, Trouble>>()?)
}

/// Devices in another process, which hold their links until they are told to end.
struct Held {
    child: Child,
    /// Open as long as they may still say something.
    out: BufReader<ChildStdout>,
}

impl Held {
    fn open(run: &Run, relay: &RelayAddress, over: Over, links: usize) -> Result<Self, Trouble> {
        let mut command = Command::new(&run.bench);
        command.args(["load", "idle", "--relay", &relay.to_string(), "--over", over.word()]);
        command.args(["--links", &links.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Trouble::io("starting idle devices"))?;
        let Some(out) = child.stdout.take().map(BufReader::new) else {
            return Err(Trouble::Process("idle devices cannot be heard".to_owned()));
        };
        let mut held = Self { child, out };
        let mut line = String::new();
        match held.out.read_line(&mut line) {
            Ok(_) if line.trim() == "up" => Ok(held),
            _ => Err(Trouble::Process("not every idle device got its link".to_owned())),
        }
    }

    /// Tells them, and hears whether every link was still up.
    fn end(mut self) -> Result<(), Trouble> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(Trouble::io("waiting for idle devices"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Trouble::Process(format!("idle devices lost their links ({status})")))
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Idle devices.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    #[arg(long)]
    relay: RelayAddress,
    #[arg(long)]
    over: Over,
    #[arg(long)]
    links: usize,
}

/// Opens all links, says so, and holds them until standard input ends. Then each asks once more, to show that it was up.
pub(crate) fn load(wish: &Wish) -> Result<String, Trouble> {
    match wish.over {
        Over::Tcp => hold(wish, |group| Ok((group.connect(&wish.relay), TransportId::TCP, ()))),
        Over::Iroh => {
            let runtime = runtime()?;
            hold(wish, |_| {
                let dialer = Over::Iroh.dialer()?;
                let (link, transport) = dial(&runtime, &*dialer, &wish.relay)?;
                Ok((link, transport, dialer))
            })
        }
    }
}

#[allow(clippy::print_stdout, reason = "whoever started it waits for this line")]
fn hold<S: Read + Write, Keep>(
    wish: &Wish,
    dial: impl Fn(&Group) -> Result<(S, TransportId, Keep), Trouble>,
) -> Result<String, Trouble> {
    let mut held: Vec<(Device<S>, Keep)> = Vec::with_capacity(wish.links);
    for number in 0..wish.links {
        let group = u8::try_from(number / MEMBERS).map_err(|_| Trouble::Absurd(format!("{} links", wish.links)))?;
        let mut group = Group::new(group);
        // The group draws the same keys whenever it is made.
        let keys = (0..=number % MEMBERS).map(|_| group.device()).last().ok_or_else(gone)?;
        let (link, transport, keep) = dial(&group)?;
        let mut device = group.open_over(link, transport, &keys, &wish.relay, everything()).ok_or_else(gone)?;
        device.push([blob(number as u64)]);
        device.pushed(1);
        held.push((device, keep));
    }
    println!("up");
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(Trouble::io("waiting for the end"))?;
    for (device, _) in &mut held {
        device.send(&ToRelay::Ping);
        while device.receive().ok_or_else(gone)? != ToDevice::Pong {}
    }
    Ok(String::new())
}

fn gone() -> Trouble {
    Trouble::Process("the relay went away".to_owned())
}
