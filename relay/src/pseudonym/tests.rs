use zerok_core::machine::Origin;

use super::*;

#[test]
fn g18_one_thing_has_one_name_per_process_and_it_says_nothing() {
    let (here, there) = (Pseudonyms::default(), Pseudonyms::default());
    let origin = Origin([4, 192, 0, 2, 0, 0, 0, 0]);
    assert!(here.of(&origin) == here.clone().of(&origin));
    assert!(here.of(&origin) != here.of(&Origin::default()));
    assert!(here.of(&origin) != there.of(&origin));
    assert!(!here.of(&origin).to_string().contains("c00002"));
}
