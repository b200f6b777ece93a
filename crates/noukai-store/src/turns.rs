//! Whose turn it is among the projects that have jobs waiting. Pure; knows no database.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use uuid::Uuid;

/// How many jobs each project gets of `limit`, at most `per_project` at work of each. Each next one goes to the project
/// with the fewest at work, among equals to the first. `projects` in their order: id, jobs that wait, jobs at work.
pub(crate) fn share(projects: &[(Uuid, u32, u32)], limit: u32, per_project: u32) -> Vec<(Uuid, u32)> {
    let mut least: BinaryHeap<_> =
        projects.iter().enumerate().map(|(order, (_, _, running))| Reverse((*running, order))).collect();
    let mut shares: HashMap<usize, u32> = HashMap::new();
    for _ in 0..limit {
        let Some(Reverse((running, order))) = least.pop() else { break };
        let given = shares.entry(order).or_insert(0);
        *given += 1;
        if *given < projects[order].1 && running + 1 < per_project {
            least.push(Reverse((running + 1, order)));
        }
    }
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_unstable();
    shares.into_iter().map(|(order, count)| (projects[order].0, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(projects: &[(u32, u32)], limit: u32, per_project: u32) -> Vec<u32> {
        let id = |order: usize| Uuid::from_u128(order as u128);
        let numbered = projects.iter().enumerate();
        let projects: Vec<_> = numbered.map(|(order, (waiting, running))| (id(order), *waiting, *running)).collect();
        let given: HashMap<Uuid, u32> = share(&projects, limit, per_project).into_iter().collect();
        (0..projects.len()).map(|order| given.get(&id(order)).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn the_fewest_at_work_are_next() {
        assert_eq!(shares(&[(100, 0), (100, 0)], 6, 99), [3, 3]);
        assert_eq!(shares(&[(100, 0), (100, 4)], 6, 99), [5, 1]);
        assert_eq!(shares(&[(1, 0), (100, 4)], 6, 99), [1, 5]);
        assert_eq!(shares(&[(100, 0), (100, 4)], 60, 5), [5, 1]);
        assert_eq!(shares(&[(2, 0), (1, 0), (1, 0)], 3, 99), [1, 1, 1]);
        assert_eq!(shares(&[], 3, 99), [0; 0]);
    }
}
