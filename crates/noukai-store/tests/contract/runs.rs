//! Runs and their events: how they are written.

use noukai_api::{RunStatus, Tokens, TriggerType};
use noukai_store::*;

use super::bed::*;

pub async fn created_and_read(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = run_id();
    let full = RunRecord {
        session_id: Some("s".into()),
        tokens: Tokens { prompt: 1, completion: 2, total: 4 },
        cost_usd: Some("0.5".into()),
        ..record(demo, id, TriggerType::Execute)
    };
    store.append(create(full.clone()).events(1..=2)).stored().await.unwrap();
    assert_eq!(store.run(demo, id).await.unwrap(), Some(RunRecord { last_seq: 2, ..full }));
    assert_eq!(store.run_inputs(demo, id).await.unwrap().as_deref(), Some(r#"{"v":1}"#));
    assert_eq!(store.run(demo, run_id()).await.unwrap(), None);
    assert_eq!(store.run_inputs(demo, run_id()).await.unwrap(), None);
    let events = all_events(&store, demo, id).await;
    assert_eq!(events[0].kind, "step_completed");
    assert_eq!((events[1].seq, events[1].payload.as_str()), (2, r#"{"n":2}"#));
    assert_eq!(events[1].state.as_deref(), Some("{}"));
}

pub async fn events_are_paged(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Execute).await;
    store.append(write(demo, id).events(1..=9)).stored().await.unwrap();
    let seqs = |events: Vec<EventRecord>| events.into_iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seqs(store.events(demo, id, 0, 4).await.unwrap()), [1, 2, 3, 4]);
    assert_eq!(seqs(store.events(demo, id, 4, 100).await.unwrap()), [5, 6, 7, 8, 9]);
    assert_eq!(store.events(demo, id, 9, 100).await.unwrap(), []);
    assert_eq!(store.events(demo, id, u64::MAX, 100).await.unwrap(), []);
    assert!(store.events(demo, id, 0, 100).await.unwrap().iter().all(|event| event.state.is_none()));
    let whole = store.events_with_state(demo, id, 4, 2).await.unwrap();
    assert!(whole.iter().all(|event| event.state.as_deref() == Some("{}")));
    assert_eq!(seqs(whole), [5, 6]);
}

pub async fn events_come_back_as_they_went_in(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Execute).await;
    let texts = ["{}", "{\n}", r#"{"a":"b\\n"}"#, "1", "\"\u{2028}\"", ""].map(str::to_owned);
    let texts = texts.into_iter().chain(["x".repeat(20_000), "y".repeat(90_000)]).collect::<Vec<_>>();
    let kinds = ["completed", "run_started", "started"];
    let event = |seq: usize| NewEvent {
        seq: seq as u64,
        kind: kinds[seq % 3].into(),
        payload: texts[seq * 7 % 8].clone(),
        state: (seq % 5 > 2).then(|| texts[seq * 3 % 8].clone()),
    };
    let events = (1..=300).map(event).collect::<Vec<_>>();
    for part in [&events[..1], &events[1..3], &events[3..]] {
        store.append(RunWrite { events: part.to_vec(), ..write(demo, id) }).stored().await.unwrap();
    }
    let expected = |event: &NewEvent| {
        let NewEvent { seq, kind, payload, state } = event.clone();
        EventRecord { seq, kind: kind.into_owned(), payload, state }
    };
    for (after, limit) in [(0, 1), (0, 300), (1, 2), (63, 64), (64, 64), (77, 3), (298, 9), (299, 1), (300, 1)] {
        let read = store.events_with_state(demo, id, after, limit).await.unwrap();
        let slice = events.iter().skip(after as usize).take(limit as usize).map(expected).collect::<Vec<_>>();
        assert_eq!(read, slice, "{limit} after {after}");
    }
}

pub async fn created_with_its_end(store: Shared) {
    let demo = project(&store, "demo").await;
    let (at_once, later) = (run_id(), run_id());
    let new = |id| record(demo, id, TriggerType::Execute);
    store.append(create(new(at_once)).events(1..=3).ends(RunStatus::Failed)).stored().await.unwrap();
    store.append(create(new(later)).events(1..=2)).stored().await.unwrap();
    store.append(write(demo, later).events(3..=3).ends(RunStatus::Failed)).stored().await.unwrap();
    let [first, second] = [at_once, later].map(|id| store.run(demo, id));
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_eq!((first.status, first.last_seq, first.error.is_some()), (RunStatus::Failed, 3, second.error.is_some()));
    assert_eq!(RunRecord { id: later, ..first }, second);
    assert_eq!(all_events(&store, demo, at_once).await.len(), 3);
    for id in [at_once, later] {
        assert_eq!(store.run_inputs(demo, id).await.unwrap(), None);
    }
    let open = RunFilter { status: Some(RunStatus::Running), limit: 10, ..RunFilter::default() };
    assert_eq!(store.runs(demo, &open).await.unwrap(), []);
    let refused = store.append(create(new(run_id())).events(2..=3).ends(RunStatus::Failed)).stored().await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

async fn whole_run(store: Shared, project: ProjectId) -> RunId {
    let id = run_id();
    let mut tickets = vec![store.append(create(record(project, id, TriggerType::Execute)).events(1..=2))];
    for step in 1..10 {
        tickets.push(store.append(write(project, id).events(step * 2 + 1..=step * 2 + 2)));
        tokio::task::yield_now().await;
    }
    tickets.push(store.append(write(project, id).events(21..=21).ends(RunStatus::Completed)));
    for ticket in tickets {
        ticket.stored().await.unwrap();
    }
    id
}

pub async fn order_is_kept_among_many(store: Shared) {
    let demo = project(&store, "demo").await;
    let ids = at_once(100, |_| whole_run(store.clone(), demo)).await;
    for id in ids {
        let run = store.run(demo, id).await.unwrap().unwrap();
        assert_eq!((run.status, run.last_seq), (RunStatus::Completed, 21));
        let seqs: Vec<u64> = all_events(&store, demo, id).await.into_iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=21).collect::<Vec<_>>());
    }
}

pub async fn one_failure_harms_no_other(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut tickets = Vec::new();
    for number in 0..100 {
        let id = run_id();
        tickets.push((id, true, store.append(create(record(demo, id, TriggerType::Execute)).events(1..=2))));
        if number % 10 == 0 {
            // Creates a run, queues a job and stores events before its change is refused: all of it must go.
            let bad = run_id();
            let refused = create(record(demo, bad, TriggerType::Job)).events(2..=3).ends(RunStatus::Failed);
            tickets.push((bad, false, store.append(refused)));
        }
    }
    for (id, good, ticket) in tickets {
        let outcome = ticket.stored().await;
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        assert_eq!(store.run(demo, id).await.unwrap().is_some(), good);
        assert_eq!(all_events(&store, demo, id).await.len(), if good { 2 } else { 0 });
        assert_eq!(store.job(demo, id).await.unwrap(), None);
    }
}

pub async fn created_once(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let id = started(&store, demo, TriggerType::Execute).await;
    for owner in [demo, other] {
        let again = store.append(create(record(owner, id, TriggerType::Execute))).stored().await;
        assert!(is_conflict(&again), "{again:?}");
    }
    assert_eq!(store.run(other, id).await.unwrap(), None);
}

pub async fn no_gaps(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Execute).await;
    store.append(write(demo, id).events(1..=2)).stored().await.unwrap();
    for seqs in [2..=3, 4..=5, 1..=1] {
        assert!(is_conflict(&store.append(write(demo, id).events(seqs)).stored().await));
    }
    let mut torn = write(demo, id).events(3..=5);
    torn.events.remove(1);
    assert!(is_conflict(&store.append(torn).stored().await));
    assert_eq!(store.run(demo, id).await.unwrap().unwrap().last_seq, 2);
    assert!(is_conflict(&store.append(write(demo, run_id()).events(1..=1)).stored().await));
}

pub async fn ends_once(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Execute).await;
    let outcomes = at_once(20, |_| {
        let ticket = store.append(write(demo, id).events(1..=1).ends(RunStatus::Completed));
        async move { ticket.stored().await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().filter(|outcome| outcome.is_err()).all(is_conflict));
    let without_event = store.append(write(demo, id).ends(RunStatus::Failed)).stored().await;
    assert!(is_conflict(&without_event));
    let run = store.run(demo, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.completed_at, run.duration_ms), (RunStatus::Completed, Some(at(20)), Some(10_000)));
    assert_eq!((run.tokens, run.cost_usd.as_deref()), (Tokens::new(5, 7), Some("0.0123")));
}

/// From each status, what may follow.
pub async fn statuses_are_guarded(store: Shared) {
    use RunStatus::{Cancelled, Completed, Failed, Paused, Pending, Running};
    let demo = project(&store, "demo").await;
    for from in [Pending, Running, Paused, Completed, Failed, Cancelled] {
        let open = !from.is_final();
        let ends = [Completed, Failed, Cancelled].map(|to| (write(demo, run_id()).ends(to), open));
        let others = [
            (write(demo, run_id()).change(RunChange::Running), matches!(from, Pending | Paused)),
            (write(demo, run_id()).change(pause_with(None)), matches!(from, Pending | Running)),
            (write(demo, run_id()).events(1..=1), open),
            (write(demo, run_id()).ends(Running), false),
        ];
        for (change, allowed) in ends.into_iter().chain(others) {
            let run = RunRecord { status: from, ..record(demo, change.run_id, TriggerType::Execute) };
            store.append(create(run)).stored().await.unwrap();
            let told = format!("{from:?} {:?}", change.change);
            let outcome = store.append(change).stored().await;
            assert!(if allowed { outcome.is_ok() } else { is_conflict(&outcome) }, "{told}: {outcome:?}");
        }
    }
}

pub async fn ending_clears(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Execute).await;
    store.append(write(demo, id).events(1..=2).change(pause_with(Some("{}")))).stored().await.unwrap();
    assert!(all_events(&store, demo, id).await.iter().all(|event| event.state.is_some()));
    let mut end = finish(RunStatus::Failed);
    end.error = Some(r#"{"code":"X"}"#.into());
    let last = write(demo, id).events(3..=3).change(RunChange::Finished(Box::new(end)));
    store.append(last).stored().await.unwrap();
    let events = all_events(&store, demo, id).await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.state.is_none()));
    assert_eq!(store.run_inputs(demo, id).await.unwrap(), None);
    assert_eq!(store.pause(demo, id).await.unwrap(), None);
    assert_eq!(store.run(demo, id).await.unwrap().unwrap().error.as_deref(), Some(r#"{"code":"X"}"#));
}

pub async fn inputs_can_be_kept(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Step).await;
    let kept = RunFinish { keep_inputs: true, ..finish(RunStatus::Completed) };
    store.append(write(demo, id).change(RunChange::Finished(Box::new(kept)))).stored().await.unwrap();
    assert!(store.run_inputs(demo, id).await.unwrap().is_some());
}

pub async fn watch_wakes_after_the_commit(store: Shared) {
    let demo = project(&store, "demo").await;
    let (id, quiet) = (run_id(), run_id());
    let (mut woken, asleep) = (store.watch(id), store.watch(quiet));
    let ticket = store.append(create(record(demo, id, TriggerType::Execute)).events(1..=1));
    woken.changed().await.unwrap();
    assert_eq!(all_events(&store, demo, id).await.len(), 1, "woken before it was there to read");
    ticket.stored().await.unwrap();
    assert!(!woken.has_changed().unwrap());
    assert!(is_conflict(&store.append(write(demo, id).events(7..=7)).stored().await));
    assert!(!woken.has_changed().unwrap(), "woken by a write that failed");
    let second = store.watch(id);
    store.append(write(demo, id).events(2..=2)).stored().await.unwrap();
    assert!(woken.has_changed().unwrap() && second.has_changed().unwrap());
    assert!(!asleep.has_changed().unwrap());
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let id = started(&store, demo, TriggerType::Execute).await;
    store.append(write(demo, id).events(1..=1).change(pause_with(Some("{}")))).stored().await.unwrap();
    assert_eq!(store.run(other, id).await.unwrap(), None);
    assert_eq!(store.run_inputs(other, id).await.unwrap(), None);
    assert_eq!(store.pause(other, id).await.unwrap(), None);
    assert_eq!(store.events(other, id, 0, 10).await.unwrap(), []);
    assert_eq!(store.events_with_state(other, id, 0, 10).await.unwrap(), []);
    let filter = RunFilter { limit: 10, ..RunFilter::default() };
    assert_eq!(store.runs(other, &filter).await.unwrap(), []);
    let writes = [
        write(other, id).events(2..=2),
        write(other, id).ends(RunStatus::Failed),
        write(other, id).change(RunChange::Running),
    ];
    for foreign in writes {
        assert!(is_conflict(&store.append(foreign).stored().await));
    }
    assert_eq!(status(&store, demo, id).await, RunStatus::Paused);
    assert_eq!(all_events(&store, demo, id).await.len(), 1);
}
