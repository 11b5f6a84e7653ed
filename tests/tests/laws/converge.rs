//! Whatever happens to devices, disks, networks and platforms, once it is over everything is everywhere.

use proptest::prelude::*;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, Reply},
};

use crate::run::{Happening, Run, happening};

fn everything_converges(kind: ChannelKind, happenings: &[Happening]) -> String {
    let mut run = Run::new(kind);
    for happening in happenings {
        run.happen(happening);
    }
    run.recover();
    for device in 0..2 {
        assert!(
            run.world.devices[device].is_synced(),
            "{:?}",
            run.world.devices[device].client.as_ref().map(zerok_core::client::Client::status)
        );
        assert_eq!(run.world.devices[device].unanswered(), []);
        let got = run.read(1 - device);
        let order: Vec<usize> = got
            .iter()
            .map(|text| run.pushed[device].iter().position(|(pushed, ..)| pushed == text).expect("it was pushed"))
            .collect();
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "out of order or twice: {got:?}");
        for (text, life, id) in &run.pushed[device] {
            match run.answered.get(&(device, *life, *id)) {
                Some(true) => assert!(got.contains(text), "{text} was lost; got {got:?}"),
                Some(false) => assert!(!got.contains(text), "{text} was refused and still came"),
                // A process that was killed before it answered promised nothing.
                None => {}
            }
        }
        let Ok(Reply::Report(report)) = run.world.call(device, ClientCommand::Inspect) else { panic!("no report") };
        assert_eq!(report.verdicts, [], "nobody did anything wrong");
    }
    run.world.transcript.text()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 3 / 8, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn e10_after_any_order_of_signals_kills_and_faults_everything_is_everywhere_once_and_in_order(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        everything_converges(ChannelKind::Plain, &happenings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 20, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn e10_the_same_holds_over_real_channels(happenings in prop::collection::vec(happening(), 1..40)) {
        everything_converges(ChannelKind::Noise, &happenings);
    }

    #[test]
    fn one_seed_and_one_list_of_inputs_give_one_run(happenings in prop::collection::vec(happening(), 1..40)) {
        prop_assert_eq!(
            everything_converges(ChannelKind::Plain, &happenings),
            everything_converges(ChannelKind::Plain, &happenings)
        );
    }
}
