//! Book against book. A run whose reply came is in both, call by call. Of a run that was under way when its server was
//! killed, the ledger may lack calls, and has none that the model does not know of.

use std::collections::HashSet;

use super::books::{Books, Entry, Sums};
use crate::report::{Report, thousands};

/// How many differences are shown.
const SHOWN: usize = 10;
/// Calls that a run of one block at a time may lose to a kill: the one under way, and the one that it repairs.
const LOST: usize = 2;

/// What a comparison found.
pub struct Found {
    model: Sums,
    ledger: Sums,
    /// Runs that a kill cut off, what the model says of them, and what the ledger does.
    cut: (usize, Sums, Sums),
    differences: Vec<String>,
}

impl Found {
    /// Whether nothing differs.
    pub const fn agrees(&self) -> bool {
        self.differences.is_empty()
    }

    /// The sums of both, side by side, and what differs.
    pub fn report(&self) -> String {
        let mut report = Report::default();
        let head = ["", "calls", "without a reply", "of unknown cost", "tokens read", "tokens written", "10^-12 USD"];
        let (runs, of_model, of_ledger) = &self.cut;
        let rows = [
            row("the model's books", &self.model),
            row("the ledger", &self.ledger),
            row(&format!("{runs} runs cut by a kill: the model's books"), of_model),
            row(&format!("{runs} runs cut by a kill: the ledger"), of_ledger),
        ];
        report.table(&head, if *runs > 0 { &rows } else { &rows[..2] });
        for difference in self.differences.iter().take(SHOWN) {
            report.paragraph(difference);
        }
        if self.differences.len() > SHOWN {
            report.paragraph(&format!("... and {} more", self.differences.len() - SHOWN));
        }
        report.text().to_owned()
    }
}

fn row(name: &str, sums: &Sums) -> Vec<String> {
    let counts = [sums.calls, sums.failed, sums.unpriced, sums.prompt, sums.completion].map(thousands);
    std::iter::once(name.to_owned()).chain(counts).chain([sums.cost.to_string()]).collect()
}

/// Compares; `whole` says of each run whether its reply came from the server that began it. A job may meet all `kills`.
pub fn compare(model: &Books, ledger: &Books, whole: &[bool], kills: u32) -> Found {
    let mut differences = Vec::new();
    let (mut cut_model, mut cut_ledger, mut cut_runs) = (Vec::new(), Vec::new(), 0);
    let known: HashSet<u32> =
        model.runs().chain(ledger.runs()).chain(0..u32::try_from(whole.len()).unwrap_or(u32::MAX)).collect();
    for run in known {
        let (ours, theirs) = (model.of(run), ledger.of(run));
        let is_whole = whole.get(run as usize).copied().unwrap_or(true);
        if is_whole && (ours != theirs || ours.is_empty()) {
            differences.push(format!("run {run}: the model says {ours:?}, the ledger {theirs:?}"));
        }
        if !is_whole {
            cut_runs += 1;
            if let Some(unknown) = not_in(&theirs, &ours) {
                differences.push(format!("run {run}, cut by a kill: the model knows nothing of {unknown:?}"));
            }
            let lost = ours.len().saturating_sub(theirs.len());
            if lost > LOST * kills as usize {
                differences.push(format!("run {run}, cut by a kill: {lost} calls are lost: {ours:?}, {theirs:?}"));
            }
            cut_model.extend(ours);
            cut_ledger.extend(theirs);
        }
    }
    let entries = Sums::of(ledger.all());
    if let Some((told, spent)) = &ledger.told {
        if *told != entries {
            differences.push(format!("the sums {told:?} are not those of the entries {entries:?}"));
        }
        if *spent != entries.prompt + entries.completion {
            differences
                .push(format!("the budget says {spent} tokens, the entries {}", entries.prompt + entries.completion));
        }
    }
    differences.sort();
    let cut = (cut_runs, Sums::of(&cut_model), Sums::of(&cut_ledger));
    Found { model: Sums::of(model.all()), ledger: entries, cut, differences }
}

/// The first of `some` that is not in `all`, each there used once. Both sorted.
fn not_in<'e>(some: &'e [Entry], all: &[Entry]) -> Option<&'e Entry> {
    let mut rest = all.iter();
    some.iter().find(|one| !rest.any(|other| other == *one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(calls: &[(u32, u64)]) -> Books {
        let mut books = Books::default();
        for (run, prompt) in calls {
            let (model, outcome) = ("m".to_owned(), "completed".to_owned());
            books.add(*run, Entry { model, outcome, prompt: *prompt, completion: 0, cost: Some(0) });
        }
        let sums = Sums::of(books.all());
        books.told = Some((sums.clone(), sums.prompt));
        books
    }

    #[test]
    fn every_difference_is_found() {
        let model = books(&[(0, 1), (1, 2), (1, 3)]);
        let differs = |ledger: &Books, whole: &[bool]| !compare(&model, ledger, whole, 1).agrees();
        assert!(!differs(&model, &[true, true]));
        assert!(differs(&books(&[(0, 1), (1, 2)]), &[true, true]), "one lacks");
        assert!(!differs(&books(&[(0, 1), (1, 2)]), &[true, false]), "of a run that was cut one may lack");
        assert!(differs(&books(&[(0, 1), (1, 2), (1, 2)]), &[true, false]), "but none may be there twice");
        let (long, short) = (books(&[(0, 1), (0, 2), (0, 3)]), books(&[]));
        assert!(
            compare(&long, &short, &[false], 2).agrees() && !compare(&long, &short, &[false], 1).agrees(),
            "three of one"
        );
        assert!(differs(&books(&[(0, 2), (1, 2), (1, 3)]), &[true, true]), "another number of tokens");
        assert!(differs(&model, &[true, true, true]), "a run that neither knows of");
        let mut told = model.clone();
        told.told = told.told.map(|(sums, spent)| (sums, spent + 1));
        assert!(differs(&told, &[true, true]), "the budget is off by one");
        told.told = Some((Sums::default(), 6));
        assert!(differs(&told, &[true, true]), "the sums are off");
    }
}
