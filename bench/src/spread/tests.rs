use super::*;

#[test]
fn a_spread_has_the_middle_and_the_ends() {
    let spread = Spread::of(&[5.0, 1.0, 3.0]).expect("three numbers");
    assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 5.0));
    assert_eq!(Spread::of(&[1.0, 2.0]).expect("two numbers").median, 1.5);
    assert_eq!(Spread::of(&[7.0]).expect("one number"), Spread::one(7.0));
}

#[test]
fn nothing_and_what_is_no_number_make_no_spread() {
    for numbers in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY]] {
        assert!(Spread::of(numbers).is_err(), "{numbers:?}");
    }
}

#[test]
fn two_sides_take_turns_and_the_first_one_too() {
    let order = std::cell::RefCell::new(Vec::new());
    let note = |side: &'static str, value: f64| {
        order.borrow_mut().push(side);
        Ok(value)
    };
    let duel = Duel::fight(3, |_| note("ours", 6.0), |round| note("base", 2.0 + round as f64)).expect("six numbers");
    assert_eq!(*order.borrow(), ["ours", "base", "base", "ours", "ours", "base"]);
    assert_eq!(duel.ratio, Spread { median: 2.0, min: 1.5, max: 3.0 });
}

#[test]
fn a_percentile_is_one_of_the_numbers() {
    let numbers: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!(percentile(&numbers, 99).expect("numbers"), 199.0);
    assert_eq!(percentile(&numbers, 100).expect("numbers"), 200.0);
    assert!(percentile(&[], 50).is_err());
}
