//! What libFuzzer prints at the end of a run, as numbers.

pub(super) const TABLE_HEAD: &str = "\
| target | executions | edges | of | features | inputs kept | findings |
|---|---|---|---|---|---|---|";

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figures {
    pub(super) executions: u64,
    /// Edges reached, of so many in the program.
    pub(super) edges: u64,
    pub(super) all_edges: u64,
    /// Edges with how often, as libFuzzer counts them.
    pub(super) features: u64,
    /// Inputs that reached something new.
    pub(super) inputs: u64,
}

impl Figures {
    pub(super) fn read(printed: &str) -> Self {
        let mut figures = Self::default();
        for line in printed.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(at) = words.iter().position(|word| *word == "cov:") {
                figures.edges = number(words.get(at + 1));
                figures.features = number(words.get(at + 3));
                figures.inputs = number(words.get(at + 5));
            }
            if words.contains(&"inline") && words.contains(&"Loaded") {
                let of = line.split_once('(').map(|(_, rest)| rest.split_whitespace().next());
                figures.all_edges = number(of.flatten().as_ref());
            }
            if let Some(units) = line.strip_prefix("stat::number_of_executed_units:") {
                figures.executions = number(Some(&units.trim()));
            } else if let Some(run) = line.strip_prefix('#') {
                // A run that ended in a finding prints no statistics.
                let run = run.split(|c: char| !c.is_ascii_digit()).next();
                figures.executions = figures.executions.max(number(run.as_ref()));
            }
        }
        figures
    }
}

/// `12` and `12/3Kb` are 12; what is no number is 0.
fn number(word: Option<&&str>) -> u64 {
    word.and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok()).unwrap_or_default()
}
