//! Test cases, test runs and gates.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

struct Bed {
    project: ProjectId,
    flow: FlowId,
}

async fn bed(store: &Shared, slug: &str) -> Bed {
    let project = project(store, slug).await;
    let flow = draft(store, project, "triage", "abc").await;
    Bed { project, flow: flow.id }
}

impl Bed {
    fn case(&self, name: &str) -> TestCaseRecord {
        TestCaseRecord {
            id: TestCaseId(Uuid::now_v7()),
            project_id: self.project,
            flow_id: self.flow,
            name: name.into(),
            definition: r#"{"v":1}"#.into(),
            cassette: Some(r#"{"version":1}"#.into()),
            replies: 2,
            revision: 1,
            created_at: at(1),
            created_by: "ann".into(),
            updated_at: at(1),
            updated_by: "ann".into(),
        }
    }

    fn gate(&self, gate: &str) -> GateChange {
        let (project_id, flow_id) = (self.project, self.flow);
        GateChange { project_id, flow_id, gate: gate.into(), on_revision: None, by: "ann".into(), at: at(1) }
    }

    fn run(&self) -> TestRunRecord {
        TestRunRecord {
            id: TestRunId(Uuid::now_v7()),
            project_id: self.project,
            flow_id: self.flow,
            flow_slug: "triage".into(),
            version: 0,
            hash: "abc".into(),
            status: "running".into(),
            total: 2,
            passed: 0,
            failed: 0,
            started_at: at(10),
            completed_at: None,
            alive_until: at(70),
            created_by: "ann".into(),
        }
    }

    async fn names(&self, store: &Shared) -> Vec<String> {
        let cases = store.test_cases(self.project, self.flow, None, 100).await.unwrap();
        cases.into_iter().map(|case| case.name).collect()
    }

    async fn results(&self, store: &Shared, id: TestRunId) -> Vec<TestResultRecord> {
        store.test_results(self.project, id, 0, 100).await.unwrap()
    }
}

fn pending(position: u32) -> TestResultRecord {
    TestResultRecord {
        position,
        case_id: TestCaseId(Uuid::from_u128(u128::from(position))),
        case_name: format!("case {position}"),
        status: "pending".into(),
        run_id: None,
        detail: None,
    }
}

fn progress(status: &str, passed: u32) -> TestProgress {
    let completed_at = (status != "running").then(|| at(30));
    TestProgress { status: status.into(), passed, failed: 0, completed_at, alive_until: at(90) }
}

pub async fn cases_are_kept_in_order(store: Shared) {
    let bed = bed(&store, "demo").await;
    let cases = ["b", "a", "c"].map(|name| bed.case(name));
    for case in &cases {
        assert!(store.add_test_case(case, 10).await.unwrap());
    }
    assert_eq!(bed.names(&store).await, ["b", "a", "c"]);
    assert_eq!(store.test_case(bed.project, bed.flow, cases[1].id).await.unwrap().as_ref(), Some(&cases[1]));
    let page = store.test_cases(bed.project, bed.flow, Some(cases[0].id), 1).await.unwrap();
    assert_eq!(page, [TestCaseRecord { cassette: None, ..cases[1].clone() }], "lists leave cassettes out");
    let remove = async |on| store.remove_test_case(bed.project, bed.flow, cases[0].id, on).await.unwrap();
    assert_eq!(remove(Some(2)).await, CaseChanged::Stale(1));
    assert_eq!(remove(Some(1)).await, CaseChanged::Done);
    assert_eq!((remove(Some(1)).await, remove(None).await), (CaseChanged::Missing, CaseChanged::Missing));
    assert_eq!(bed.names(&store).await, ["a", "c"]);
}

pub async fn names_are_taken_once(store: Shared) {
    let bed = bed(&store, "demo").await;
    let added = at_once(8, |_| {
        let (store, case) = (store.clone(), bed.case("same"));
        async move { store.add_test_case(&case, 10).await }
    })
    .await;
    assert_eq!(added.iter().filter(|added| matches!(added, Ok(true))).count(), 1);
    assert_eq!(added.iter().filter(|added| is_conflict(added)).count(), 7);
    for text in HOSTILE {
        assert!(store.add_test_case(&bed.case(text), 100).await.unwrap(), "{text}");
    }
    let other = bed.case("other");
    store.add_test_case(&other, 100).await.unwrap();
    assert!(is_conflict(&store.change_test_case(&TestCaseRecord { name: "same".into(), ..other }).await));
}

pub async fn a_flow_has_a_bound(store: Shared) {
    let bed = bed(&store, "demo").await;
    let added = at_once(12, |number| {
        let (store, case) = (store.clone(), bed.case(&format!("case {number}")));
        async move { store.add_test_case(&case, 5).await.unwrap() }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 5);
    assert_eq!(bed.names(&store).await.len(), 5);
}

pub async fn a_change_needs_the_revision(store: Shared) {
    let bed = bed(&store, "demo").await;
    let case = bed.case("a");
    store.add_test_case(&case, 10).await.unwrap();
    let changed = TestCaseRecord {
        name: "b".into(),
        definition: "{}".into(),
        cassette: None,
        replies: 0,
        updated_at: at(5),
        updated_by: "bob".into(),
        ..case.clone()
    };
    assert_eq!(store.change_test_case(&changed).await.unwrap(), CaseChanged::Done);
    let stored = store.test_case(bed.project, bed.flow, case.id).await.unwrap().unwrap();
    assert_eq!(stored, TestCaseRecord { revision: 2, ..changed.clone() });
    assert_eq!(store.change_test_case(&changed).await.unwrap(), CaseChanged::Stale(2));
    let missing = TestCaseRecord { id: TestCaseId(Uuid::now_v7()), ..changed };
    assert_eq!(store.change_test_case(&missing).await.unwrap(), CaseChanged::Missing);
}

pub async fn a_test_run_advances_to_its_end(store: Shared) {
    let bed = bed(&store, "demo").await;
    let run = bed.run();
    store.begin_test_run(&run, &[pending(0), pending(1)], 10).await.unwrap();
    assert_eq!(store.test_run(bed.project, run.id).await.unwrap().as_ref(), Some(&run));
    assert_eq!(bed.results(&store, run.id).await, [pending(0), pending(1)]);
    let watch = store.watch(RunId(run.id.0));
    let done =
        TestResultRecord { status: "passed".into(), run_id: Some(run_id()), detail: Some("{}".into()), ..pending(1) };
    let advance = async |progress: TestProgress, results: &[TestResultRecord]| {
        store.advance_test_run(bed.project, run.id, &progress, results).await.unwrap()
    };
    assert!(advance(progress("running", 1), std::slice::from_ref(&done)).await);
    assert!(watch.has_changed().unwrap());
    assert_eq!(bed.results(&store, run.id).await, [pending(0), done.clone()]);
    assert_eq!(store.test_results(bed.project, run.id, 1, 1).await.unwrap(), std::slice::from_ref(&done));
    assert!(advance(progress("passed", 2), &[]).await);
    let ended = store.test_run(bed.project, run.id).await.unwrap().unwrap();
    assert_eq!((ended.status.as_str(), ended.passed, ended.completed_at), ("passed", 2, Some(at(30))));
    assert!(!advance(progress("failed", 0), &[TestResultRecord { status: "failed".into(), ..done.clone() }]).await);
    assert_eq!(store.test_run(bed.project, run.id).await.unwrap(), Some(ended), "what has ended stays so");
    assert_eq!(bed.results(&store, run.id).await[1], done);
}

pub async fn old_test_runs_go(store: Shared) {
    let bed = bed(&store, "demo").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let run = bed.run();
        store.begin_test_run(&run, &[pending(0)], 3).await.unwrap();
        ids.insert(0, run.id);
    }
    let runs = async |before, limit| -> Vec<TestRunId> {
        let runs = store.test_runs(bed.project, bed.flow, before, limit).await.unwrap();
        runs.into_iter().map(|run| run.id).collect()
    };
    assert_eq!(runs(None, 10).await, ids[..3]);
    assert_eq!(runs(None, 1).await, ids[..1]);
    assert_eq!(runs(Some(ids[0]), 10).await, ids[1..3]);
    assert_eq!(bed.results(&store, ids[2]).await.len(), 1);
    assert_eq!(bed.results(&store, ids[3]).await, []);
}

pub async fn a_gate_is_set_and_read(store: Shared) {
    let bed = bed(&store, "demo").await;
    assert_eq!(store.test_gate(bed.project, bed.flow).await.unwrap(), None);
    let set = async |gate: &str, on_revision| {
        store.set_test_gate(GateChange { on_revision, ..bed.gate(gate) }).await.unwrap()
    };
    assert_eq!(set("{}", Some(1)).await, GateChanged::Stale(0));
    assert_eq!(store.test_gate(bed.project, bed.flow).await.unwrap(), None);
    for (gate, on, revision) in [(r#"{"all":true}"#, Some(0), 1), ("{}", None, 2), (r#"{"all":true}"#, Some(2), 3)] {
        assert_eq!(set(gate, on).await, GateChanged::Done(revision));
        let now = GateRecord { gate: gate.into(), revision };
        assert_eq!(store.test_gate(bed.project, bed.flow).await.unwrap(), Some(now));
    }
    for stale in [0, 2, 4] {
        assert_eq!(set("{}", Some(stale)).await, GateChanged::Stale(3));
    }
    let raced = at_once(8, |_| {
        let (store, change) = (store.clone(), GateChange { on_revision: Some(3), ..bed.gate("{}") });
        async move { store.set_test_gate(change).await.unwrap() }
    })
    .await;
    assert_eq!(raced.iter().filter(|changed| **changed == GateChanged::Done(4)).count(), 1, "{raced:?}");
}

pub async fn a_first_gate_is_set_once_in_a_race(store: Shared) {
    let bed = bed(&store, "demo").await;
    let raced = at_once(8, |_| {
        let (store, change) = (store.clone(), GateChange { on_revision: Some(0), ..bed.gate("{}") });
        async move { store.set_test_gate(change).await.unwrap() }
    })
    .await;
    assert_eq!(raced.iter().filter(|changed| **changed == GateChanged::Done(1)).count(), 1, "{raced:?}");
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (bed, other) = (bed(&store, "demo").await, bed(&store, "other").await);
    let (case, run) = (bed.case("a"), bed.run());
    store.add_test_case(&case, 10).await.unwrap();
    store.begin_test_run(&run, &[pending(0)], 10).await.unwrap();
    store.set_test_gate(bed.gate("{}")).await.unwrap();
    let project = other.project;
    assert_eq!(store.test_case(project, bed.flow, case.id).await.unwrap(), None);
    assert_eq!(store.test_case(bed.project, other.flow, case.id).await.unwrap(), None);
    assert_eq!(store.test_cases(project, bed.flow, None, 10).await.unwrap(), []);
    assert_eq!(store.remove_test_case(project, bed.flow, case.id, None).await.unwrap(), CaseChanged::Missing);
    let theirs = TestCaseRecord { project_id: project, ..case };
    assert_eq!(store.change_test_case(&theirs).await.unwrap(), CaseChanged::Missing);
    assert_eq!(store.test_gate(project, bed.flow).await.unwrap(), None);
    let theirs = GateChange { project_id: project, ..bed.gate(r#"{"all":true}"#) };
    assert_eq!(store.set_test_gate(theirs).await.unwrap(), GateChanged::Stale(0));
    assert_eq!(store.test_gate(bed.project, bed.flow).await.unwrap().unwrap().gate, "{}");
    assert_eq!(store.test_run(project, run.id).await.unwrap(), None);
    assert_eq!(store.test_run_of(Uuid::now_v7(), run.id).await.unwrap(), None);
    let org = store.project(project).await.unwrap().unwrap().org_id;
    assert_eq!(
        store.test_run_of(org, run.id).await.unwrap().as_ref(),
        Some(&run),
        "of the organisation's other project"
    );
    assert_eq!(store.test_results(project, run.id, 0, 10).await.unwrap(), []);
    assert_eq!(store.test_runs(project, bed.flow, None, 10).await.unwrap(), []);
    assert!(!store.advance_test_run(project, run.id, &progress("failed", 0), &[]).await.unwrap());
    assert_eq!(bed.names(&store).await, ["a"]);
}
