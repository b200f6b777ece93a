//! Requests per second, their times and their processor time, over several numbers of connections.
//!
//! The subjects take turns, the order reversed from round to round, so that whatever else the machine does meets
//! them alike; each figure is the median of the rounds.

use std::time::Duration;

use anyhow::Result;

use super::{Effort, check};
use crate::load::{self, Target, Until};
use crate::report::{Report, micros, millis, thousands};
use crate::{output, proc, stats};

/// A server under measurement.
pub struct Subject {
    /// Its name in the report.
    pub name: &'static str,
    /// Its processes.
    pub pids: Vec<u32>,
    /// What to ask it.
    pub target: Target,
}

/// The figures of one round.
struct Round {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu: Duration,
    faults: String,
}

/// The medians of all rounds of one subject.
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu: Duration,
}

/// Measures all subjects at each number of connections. The first is what the others are compared with.
pub async fn measure(title: &str, subjects: &[Subject], effort: &Effort, report: &mut Report) -> Result<()> {
    for subject in subjects {
        check(&subject.target).await?;
    }
    report.heading(title);
    let mut rows = Vec::new();
    for &connections in effort.connections.iter() {
        output::note(&format!("{title}: {connections} connections"));
        let rounds = take_turns(subjects, connections, effort).await?;
        let mut floor = None;
        for (subject, rounds) in subjects.iter().zip(&rounds) {
            let figures = Figures::of(rounds);
            let floor = *floor.get_or_insert(figures.per_second);
            rows.push(row(connections, subject.name, &figures, figures.per_second / floor));
            report_faults(subject.name, connections, rounds, report);
        }
    }
    let head = ["connections", "", "runs per second", "of the floor", "p50", "p99", "processor time per run"];
    report.table(&head, &rows);
    Ok(())
}

async fn take_turns(subjects: &[Subject], connections: usize, effort: &Effort) -> Result<Vec<Vec<Round>>> {
    let mut rounds: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..effort.rounds {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            rounds[index].push(one_round(&subjects[index], connections, effort).await?);
        }
    }
    Ok(rounds)
}

async fn one_round(subject: &Subject, connections: usize, effort: &Effort) -> Result<Round> {
    let before = cpu_time(&subject.pids)?;
    let until = Until::Time { warm_up: effort.warm_up, counted: effort.counted };
    let outcome = load::run(&subject.target, connections, until).await?;
    let cpu = cpu_time(&subject.pids)?.saturating_sub(before);
    Ok(Round {
        per_second: outcome.times.len() as f64 / outcome.elapsed.as_secs_f64(),
        p50: stats::percentile(&outcome.times, 50),
        p99: stats::percentile(&outcome.times, 99),
        cpu: cpu.div_f64(outcome.completed.max(1) as f64),
        faults: outcome.faults(),
    })
}

fn cpu_time(pids: &[u32]) -> Result<Duration> {
    pids.iter().map(|pid| proc::cpu_time(*pid)).sum()
}

fn row(connections: usize, name: &str, figures: &Figures, of_the_floor: f64) -> Vec<String> {
    vec![
        connections.to_string(),
        name.to_owned(),
        thousands(figures.per_second.round() as u64),
        format!("{:.0} %", of_the_floor * 100.0),
        millis(figures.p50),
        millis(figures.p99),
        micros(figures.cpu),
    ]
}

fn report_faults(name: &str, connections: usize, rounds: &[Round], report: &mut Report) {
    for round in rounds.iter().filter(|round| !round.faults.is_empty()) {
        report.paragraph(&format!("**Faults** of {name} at {connections} connections: {}.", round.faults));
    }
}

impl Figures {
    fn of(rounds: &[Round]) -> Self {
        let seconds = |of: fn(&Round) -> Duration| {
            Duration::from_secs_f64(stats::median(rounds.iter().map(|round| of(round).as_secs_f64())).max(0.0))
        };
        Self {
            per_second: stats::median(rounds.iter().map(|round| round.per_second)),
            p50: seconds(|round| round.p50),
            p99: seconds(|round| round.p99),
            cpu: seconds(|round| round.cpu),
        }
    }
}
