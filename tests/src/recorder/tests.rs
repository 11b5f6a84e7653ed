use super::*;

/// Adds up what it is told, gives the sum, and wants none of it twice.
#[derive(Debug, Clone, Default)]
struct Adder {
    last: u64,
    sum: u64,
    out: Option<String>,
}

impl Machine for Adder {
    type Input = u64;
    type Output = String;

    fn handle(&mut self, _: Time, input: u64) -> Result<(), Misuse> {
        if input <= self.last {
            return Err(Misuse::IdReused);
        }
        self.last = input;
        self.sum += input;
        self.out = Some(format!("{} {}", self.sum, "x".repeat(usize::try_from(input).unwrap_or(0))));
        Ok(())
    }

    fn poll(&mut self) -> Option<String> {
        self.out.take()
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

fn recorded(inputs: &[u64]) -> Tape<Adder> {
    let mut recorder = Recorder::new(Adder::default());
    for (millis, input) in (0..).zip(inputs) {
        let _named_on_the_tape = recorder.handle(Time(millis * 1000), *input);
        while recorder.poll().is_some() {}
    }
    recorder.into_tape()
}

#[test]
fn a_tape_says_who_said_what_and_when() {
    let text = recorded(&[1, 1, 200]).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        ["@0.000s < 1", "@0.000s > \"1 x\"", "@0.001s < 1  (an id went backwards or was used twice)"]
    );
    assert!(lines[4].starts_with("@0.002s > \"201 xxx") && lines[4].contains("… 206 characters #"), "{}", lines[4]);
}

#[test]
fn a_replayed_tape_is_the_same_tape() {
    let tape = recorded(&[1, 1, 5, 7]);
    assert_eq!(tape.difference(&tape.replay()), None);
    assert_eq!(tape.outputs().count(), 3);
}

#[test]
fn two_tapes_are_told_apart_at_their_first_difference() {
    let (one, two) = (recorded(&[1, 5]), recorded(&[1, 6]));
    let difference = one.difference(&two).unwrap_or_default();
    assert!(difference.starts_with("entry 3: Told") && difference.contains("against Told"), "{difference}");
    assert!(one.difference(&recorded(&[1])).is_some_and(|text| text.contains("the end")));
}
