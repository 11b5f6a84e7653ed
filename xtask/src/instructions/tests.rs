use super::*;

const PROFILE: &str = "\
version: 1
cmd: ./zerok-instructions push
positions: instr line
events: Ir

fn=(1) zerok_instructions::counted::counted_device
0x100 12 100
cfn=(2) zerok_core::client::Client::handle
calls=3 0x200 14
0x104 14 400

fn=(4) sha2::sha256::soft::compress
0x300 20 700
0x304 20 30
cfn=(5) helper
calls=2 0x400 30
0x308 0 11
0x30c 0 4

fn=(2)
0x200 20 50
cob=(3) /lib/libc.so.6
cfn=(7) malloc
calls=20 0x900 0
0x204 21 1000

fn=(7)
0x904 0 5
0x900 0 25
0x908 0 50
cfn=(8) _int_malloc
calls=9 0xa00 0
0x8f0 0 90

fn=(9) realloc
0x700 0 2

summary: 123456
";

#[test]
fn a_profile_is_read_for_what_was_collected_and_for_calls_that_hand_out_memory() {
    assert_eq!(read(PROFILE), Some(Cost { instructions: 122_722.0, hashing: 734.0, allocations: 27.0 }));
    assert_eq!(read("version: 1\n"), None);
}

#[test]
fn counts_are_read_as_they_were_written_and_a_missing_figure_is_named() {
    let cost = Cost { instructions: 123.0, hashing: 45.0, allocations: 4.5 };
    let costs = FIGURES.into_iter().map(|figure| (figure.to_owned(), cost)).collect();
    let counts = Counts { compiler: "rustc 1.95.0".to_owned(), costs };
    assert_eq!(Counts::decode(&counts.encode()), Ok(counts.clone()));
    let failure = Counts::decode(&counts.encode().replace("\"hear\"", "\"ear\"")).unwrap_err();
    assert!(failure.to_string().contains("no `hear`"), "{failure}");
}
