use super::*;

#[test]
fn caps_are_divided_and_one_machine_sweeps() {
    let limits = RelayLimits { links: 10, links_per_origin: 1, ..RelayLimits::default() };
    let parts: Vec<_> = (0..4).map(|index| share(&limits, 4, index)).collect();
    assert!(parts.iter().all(|part| part.links == 3 && part.links_per_origin == 1));
    assert!(parts.iter().all(|part| part.push_bytes == limits.push_bytes && part.retention == limits.retention));
    assert_eq!(parts.iter().filter(|part| part.sweep == limits.sweep).count(), 1);
}

#[test]
fn one_machine_alone_has_every_bound_whole() {
    assert_eq!(share(&RelayLimits::default(), 1, 0), RelayLimits::default());
}
