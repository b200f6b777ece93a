//! Lists of runs.

use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

/// Ids in order of their number.
fn numbered(number: u128) -> RunId {
    RunId(Uuid::from_u128(number << 64 | 0x7000_8000_0000_0000))
}

async fn add(store: &Shared, project: ProjectId, number: u128, change: impl FnOnce(&mut RunRecord)) {
    let mut run = record(project, numbered(number), TriggerType::Execute);
    change(&mut run);
    store.append(create(run)).stored().await.unwrap();
}

fn numbers(runs: Vec<RunRecord>) -> Vec<u128> {
    runs.into_iter().map(|run| run.id.0.as_u128() >> 64).collect()
}

pub async fn newest_first_and_narrowed(store: Shared) {
    let demo = project(&store, "demo").await;
    let special = FlowId(Uuid::from_u128(9));
    for number in [3, 1, 5, 2, 4] {
        add(&store, demo, number, |run| {
            run.flow_id = if number % 2 == 0 { special } else { run.flow_id };
            run.status = if number > 3 { RunStatus::Completed } else { RunStatus::Paused };
            run.completed_at = (number > 3).then(|| at(20));
        })
        .await;
    }
    let all = RunFilter { limit: 100, ..RunFilter::default() };
    let (flow_id, status, before) = (Some(special), Some(RunStatus::Paused), Some(numbered(4)));
    let cases = [
        (all.clone(), vec![5, 4, 3, 2, 1]),
        (RunFilter { limit: 2, ..all.clone() }, vec![5, 4]),
        (RunFilter { flow_id, ..all.clone() }, vec![4, 2]),
        (RunFilter { status, ..all.clone() }, vec![3, 2, 1]),
        (RunFilter { status: Some(RunStatus::Completed), ..all.clone() }, vec![5, 4]),
        (RunFilter { before, ..all.clone() }, vec![3, 2, 1]),
        (RunFilter { flow_id, status, ..all.clone() }, vec![2]),
        (RunFilter { flow_id, before, ..all.clone() }, vec![2]),
        (RunFilter { status, before, limit: 1, ..all.clone() }, vec![3]),
        (RunFilter { flow_id, status, before, limit: 9, ..RunFilter::default() }, vec![2]),
        (RunFilter { limit: 0, ..all }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(numbers(store.runs(demo, &filter).await.unwrap()), expected, "{filter:?}");
    }
}

pub async fn sessions_oldest_first(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    for (number, owner, session) in [(2, demo, "s"), (1, other, "s"), (3, demo, "t"), (4, demo, "s")] {
        add(&store, owner, number, |run| run.session_id = Some(session.into())).await;
    }
    add(&store, demo, 5, |_| ()).await;
    assert_eq!(numbers(store.session_runs("s", 10).await.unwrap()), [1, 2, 4]);
    assert_eq!(numbers(store.session_runs("s", 2).await.unwrap()), [1, 2]);
    assert_eq!(store.session_runs("none", 10).await.unwrap(), []);
}

pub async fn hostile_text_is_only_text(store: Shared) {
    let demo = project(&store, "demo").await;
    for (number, text) in HOSTILE.iter().enumerate() {
        add(&store, demo, number as u128, |run| {
            run.session_id = Some((*text).into());
            run.flow_slug = (*text).into();
        })
        .await;
    }
    for text in HOSTILE {
        let found = store.session_runs(text, 10).await.unwrap();
        assert_eq!((found.len(), found[0].flow_slug.as_str()), (1, text));
    }
}
