//! `init`: keys, a group of one, a relay. Works offline and may be repeated.

use zerok_core::error::Code;

use crate::{
    device::{Setting, address, with},
    exit::{Done, Failure, Outcome},
    output::{Output, harmless},
    place,
    shape::InitShape,
};

pub(crate) async fn run(setting: &Setting, output: &mut Output, relay: Option<&str>, name: Option<String>) -> Outcome {
    let relay = relay.map(address).transpose()?;
    let client = setting.open_as(&name.clone().unwrap_or_else(place::device_name), relay).await?;
    with(client, async |client| {
        if client.info().relay_mismatch {
            return Err(Failure::new(Code::RelayMismatch, "Use `zerok set-relay`."));
        }
        let before = client.inspect().await?;
        let created = before.identity.is_none();
        let called = before.devices.iter().find(|device| device.own).map(|own| &own.name);
        if let (false, Some(name), Some(called)) = (created, name, called)
            && name != *called
        {
            let sentence =
                format!("This device is called {} already; `zerok rename NAME` changes that.", harmless(called));
            return Err(Failure::new(Code::InvalidArgs, sentence));
        }
        client.enable().await.map_err(Failure::of_naming)?;
        let report = client.inspect().await?;
        let Some(identity) = report.identity else { return Err(Code::StorageFailed.into()) };
        let own = report.devices.iter().find(|device| device.own);
        output.object(&InitShape {
            device: identity.device.to_string(),
            group: identity.group.to_string(),
            name: own.map(|own| own.name.clone()),
            relay: report.relay.as_ref().map(ToString::to_string),
            key_storage: client.info().key_storage.name(),
            created,
        })?;
        let name = own.map(|own| harmless(&own.name)).unwrap_or_default();
        let verb = if created { "is set up" } else { "was set up before" };
        output.line(format_args!("{name} {verb} in {}", setting.data.display()))?;
        if report.relay.is_none() {
            output.note("It has no relay yet: `zerok set-relay ADDR`, or join a group by the URL of an invite.");
        } else if report.devices.len() == 1 {
            output.note("Invite another device: `zerok invite`");
        }
        Ok(Done::Well)
    })
    .await
}
