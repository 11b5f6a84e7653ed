use std::collections::BTreeSet;

use super::{
    invite::{newcomer, show},
    status::ago,
};
use crate::output::tests::Heard;
use zerok_core::{
    address::RelayAddress,
    ids::{DeviceId, RelayKey},
    pairing::{code::PairingCode, invite::QrPayload},
    rng::Seed,
    seal::keys::LinkSecret,
    time::UnixMillis,
};
use zerok_tokio::Invitation;

#[test]
fn times_are_said_as_a_person_says_them() {
    let said = |seconds: u64| ago(UnixMillis(1_000_000_000), UnixMillis(1_000_000_000 + seconds * 1000));
    assert_eq!(
        [said(5), said(60), said(7200), said(86_400 * 3)],
        ["just now", "1 minute ago", "2 hours ago", "3 days ago"]
    );
    assert_eq!(ago(UnixMillis(2000), UnixMillis(1000)), "in the future, says the clock");
}

#[test]
fn whoever_was_not_in_the_group_before_is_the_device_that_was_invited() {
    let id = |n: u8| DeviceId([n; 8]);
    let before = BTreeSet::from([id(1), id(2)]);
    assert_eq!(newcomer([id(1), id(2)].into_iter(), &before), None);
    assert_eq!(newcomer([id(2), id(3), id(1)].into_iter(), &before), Some(id(3)));
}

#[test]
fn an_invite_says_the_whole_command_for_the_other_device_and_the_url() {
    let mut draw = Seed::new([1; 32]).draw("invite");
    let key = RelayKey(LinkSecret::generate(&mut draw).public().0);
    let relay = RelayAddress { key, tcp: vec!["127.0.0.1:1".to_owned()], iroh: None };
    let qr = QrPayload::generate(relay.clone(), LinkSecret::generate(&mut draw).public().0, &mut draw);
    let (code, url) = (PairingCode::generate(&mut draw), qr.to_url("zerok"));
    let typed = format!("zerok join {code} --relay {relay}");
    let invitation = Invitation { code, qr, url: url.clone(), expires_at: UnixMillis(1_800_000_000_000) };
    for terminal in [true, false] {
        let heard = Heard::default();
        show(&invitation, Some(&relay), &mut heard.output(false, terminal)).unwrap();
        let text = heard.text();
        assert!(text.contains(&format!("    {typed}\n")) && text.contains(&format!("'{url}'\n")), "{text}");
        assert_eq!(text.contains('\u{2588}'), terminal, "a picture for eyes alone");
    }
    let heard = Heard::default();
    show(&invitation, Some(&relay), &mut heard.output(true, false)).unwrap();
    let told: serde_json::Value = serde_json::from_str(&heard.text()).unwrap();
    assert_eq!((&told["url"], &told["relay"]), (&url.into(), &relay.to_string().into()));
    assert_eq!(told["expiresAt"], 1_800_000_000);
}
