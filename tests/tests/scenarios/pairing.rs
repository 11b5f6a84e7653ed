//! Joining by a code, and what each side hears.

use zerok_core::channel::ChannelKind;

use crate::common::{pair, pull, push, texts};

#[test]
fn b1_a_typed_code_joins_and_data_flows_both_ways() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        push(&mut world, laptop, "milk").expect("the relay holds it");
        push(&mut world, phone, "bread").expect("the relay holds it");
        world.run(std::time::Duration::from_secs(1));
        println!("{}", world.transcript.text());
        assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
        assert_eq!(texts(&pull(&mut world, laptop, None).blobs), ["bread"]);
    }
}
