//! The tree of one document made into that of another: what goes, comes, moves, and changes where it is.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    super::{ContainerType, InsertNode, MoveNode, OfStep, Operation, ReplaceNode, SetField, UpdateContainer, nodes},
    GiveUp, Script,
    fields::alike,
    flat::{Flat, Spot, keep, place, shell},
};

/// Makes `to` of `from`, which is what the script has come to.
pub(super) fn rebuild<'a>(script: &mut Script, from: &Flat<'a>, to: &Flat<'a>) -> Result<(), GiveUp> {
    let others = others(from, to);
    let kept = |id: &str| from.nodes.contains_key(id) && to.nodes.contains_key(id) && !others.contains(id);
    let mut rebuild = Rebuild { script, from, to, lists: HashMap::new(), spots: HashMap::new() };
    for list in &from.lists {
        rebuild.spots.extend(list.ids.iter().map(|id| (*id, list.spot)));
        rebuild.lists.insert(list.spot, list.ids.clone());
    }
    rebuild.make_room(&kept)?;
    rebuild.remove(&|id| others.contains(id))?;
    rebuild.place_all(&kept)?;
    rebuild.remove(&|id| !to.nodes.contains_key(id) && !others.contains(id))?;
    rebuild.change_fields(&kept)
}

/// Ids that stand for another kind of step in each document, with all that is inside in either: these go and come anew.
fn others<'a>(from: &Flat<'a>, to: &Flat<'a>) -> HashSet<&'a str> {
    let unlike = |id: &&&str| match (from.nodes.get(**id), to.nodes.get(**id)) {
        (Some(one), Some(other)) => !alike(one.node, other.node),
        _ => false,
    };
    let mut open: Vec<&str> = from.order.iter().filter(unlike).copied().collect();
    let mut others = HashSet::new();
    while let Some(id) = open.pop() {
        if others.insert(id) {
            let entries = [from.nodes.get(id), to.nodes.get(id)].into_iter().flatten();
            let lists = entries.flat_map(|entry| nodes::child_lists(entry.node));
            open.extend(lists.flat_map(|list| list.nodes).filter_map(nodes::id));
        }
    }
    others
}

struct Rebuild<'s, 'f, 'a> {
    script: &'s mut Script,
    from: &'f Flat<'a>,
    to: &'f Flat<'a>,
    /// The lists as they are by now.
    lists: HashMap<Spot<'a>, Vec<&'a str>>,
    /// Where each node stands by now.
    spots: HashMap<&'a str, Spot<'a>>,
}

impl<'a> Rebuild<'_, '_, 'a> {
    /// Gives kept containers the lists they will need, and the way their children run.
    fn make_room(&mut self, kept: &dyn Fn(&str) -> bool) -> Result<(), GiveUp> {
        for list in &self.to.lists {
            let Some(id) = list.spot.0.filter(|id| kept(id)) else { continue };
            let kinds = [self.from, self.to].map(|flat| flat.nodes.get(id).and_then(|entry| nodes::kind(entry.node)));
            if kinds[0] != kinds[1] {
                let container_type = if kinds[1] == Some("parallel") { ContainerType::V } else { ContainerType::H };
                let update =
                    UpdateContainer { step_id: id.to_owned(), container_type: Some(container_type), name: None };
                self.script.touch(id);
                self.script.push(Operation::UpdateContainer(update))?;
            }
            if !self.lists.contains_key(&list.spot) {
                let path = list.keys.iter().map(|key| (*key).to_owned()).collect();
                self.script.touch(id);
                self.script.push(Operation::SetField(SetField {
                    step_id: Some(id.to_owned()),
                    path,
                    value: json!([]),
                }))?;
                self.lists.insert(list.spot, Vec::new());
            }
        }
        Ok(())
    }

    /// Removes the outermost of the nodes that are to go.
    fn remove(&mut self, goes: &dyn Fn(&str) -> bool) -> Result<(), GiveUp> {
        for id in &self.from.order {
            if !goes(id) || self.from.parent(id).is_some_and(goes) {
                continue;
            }
            let Some(spot) = self.take(id) else { return Err(GiveUp) };
            let (node, _) = nodes::find(&self.script.work, id)?;
            let node = node.clone();
            for gone in nodes::ids_below(&node) {
                self.spots.remove(gone);
                self.lists.retain(|(parent, _), _| *parent != Some(gone));
            }
            self.script.touch_all(&node);
            self.script.touch_within(spot.0);
            self.script.push(Operation::RemoveNode(OfStep { step_id: (*id).to_owned() }))?;
        }
        Ok(())
    }

    /// Fills every list of the target in order, from the outside in, so that nothing is moved into itself.
    fn place_all(&mut self, kept: &dyn Fn(&str) -> bool) -> Result<(), GiveUp> {
        let to = self.to;
        for list in &to.lists {
            let stays = self.staying(list.spot, &list.ids);
            let mut previous = None;
            for id in &list.ids {
                if !stays.contains(id) {
                    self.bring(id, list.spot, previous, kept)?;
                }
                previous = Some(*id);
            }
        }
        Ok(())
    }

    /// Nodes that are in the list already, in the right order among each other.
    fn staying(&self, spot: Spot<'a>, wanted: &[&'a str]) -> HashSet<&'a str> {
        let Some(now) = self.lists.get(&spot) else { return HashSet::new() };
        let at: HashMap<&str, usize> = now.iter().enumerate().map(|(index, id)| (*id, index)).collect();
        let present: Vec<(&str, usize)> = wanted.iter().filter_map(|id| Some((*id, *at.get(id)?))).collect();
        let positions: Vec<usize> = present.iter().map(|(_, position)| *position).collect();
        rising(&positions).into_iter().filter_map(|index| present.get(index)).map(|(id, _)| *id).collect()
    }

    /// Inserts or moves a node behind `previous`.
    fn bring(
        &mut self,
        id: &'a str,
        spot: Spot<'a>,
        previous: Option<&str>,
        kept: &dyn Fn(&str) -> bool,
    ) -> Result<(), GiveUp> {
        let before = self.take(id);
        let list = self.lists.entry(spot).or_default();
        let index = previous.and_then(|previous| list.iter().position(|id| *id == previous)).map_or(0, |at| at + 1);
        list.insert(index, id);
        self.spots.insert(id, spot);
        self.script.touch_within(spot.0);
        let to = place(spot, index);
        match before {
            Some(before) => {
                self.script.touch(id);
                self.script.touch_within(before.0);
                self.script.push(Operation::MoveNode(MoveNode { step_id: id.to_owned(), to }))
            }
            None => self.insert(id, to, kept),
        }
    }

    fn insert(&mut self, id: &'a str, to: super::super::Place, kept: &dyn Fn(&str) -> bool) -> Result<(), GiveUp> {
        let Some(entry) = self.to.nodes.get(id) else { return Err(GiveUp) };
        let node = keep(entry.node, &|id| !kept(id));
        self.script.touch_all(&node);
        self.arrived(entry.node, kept);
        self.script.push(Operation::InsertNode(InsertNode { to, node }))
    }

    /// Notes what came with an inserted node.
    fn arrived(&mut self, node: &'a Value, kept: &dyn Fn(&str) -> bool) {
        let Some(id) = nodes::id(node) else { return };
        for list in nodes::child_lists(node) {
            let spot = (Some(id), list.case);
            let ids: Vec<&str> = list.nodes.iter().filter_map(nodes::id).filter(|id| !kept(id)).collect();
            self.spots.extend(ids.iter().map(|id| (*id, spot)));
            self.lists.insert(spot, ids);
            list.nodes.iter().filter(|child| nodes::id(child).is_some_and(|id| !kept(id))).for_each(|child| {
                self.arrived(child, kept);
            });
        }
    }

    /// Takes a node out of its list, in the notes; where it stood.
    fn take(&mut self, id: &str) -> Option<Spot<'a>> {
        let spot = self.spots.remove(id)?;
        if let Some(list) = self.lists.get_mut(&spot) {
            list.retain(|other| *other != id);
        }
        Some(spot)
    }

    fn change_fields(&mut self, kept: &dyn Fn(&str) -> bool) -> Result<(), GiveUp> {
        for id in self.to.order.iter().filter(|id| kept(id)) {
            let (Some(old), Some(new)) = (self.from.nodes.get(id), self.to.nodes.get(id)) else { continue };
            if shell(old.node) == shell(new.node) {
                continue;
            }
            if nodes::is_container(new.node) {
                // Some of it may have been changed to make room.
                let (now, _) = nodes::find(&self.script.work, id)?;
                let now = shell(now).into_owned();
                self.script.node_fields(id, &now, &shell(new.node))?;
            } else if nodes::kind(old.node) == nodes::kind(new.node) && nodes::kind(new.node).is_some() {
                self.script.node_fields(id, old.node, new.node)?;
            } else {
                self.script.touch(id);
                let replace = ReplaceNode { step_id: (*id).to_owned(), node: new.node.clone() };
                self.script.push(Operation::ReplaceNode(replace))?;
            }
        }
        Ok(())
    }
}

/// Indexes of a longest rising subsequence.
fn rising(numbers: &[usize]) -> Vec<usize> {
    // tails[n]: the index of the smallest number that ends a rising run of n + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        let length = tails.partition_point(|tail| numbers.get(*tail).is_some_and(|other| other < number));
        before.push(length.checked_sub(1).and_then(|shorter| tails.get(shorter).copied()));
        match tails.get_mut(length) {
            Some(tail) => *tail = index,
            None => tails.push(index),
        }
    }
    let mut run: Vec<usize> =
        std::iter::successors(tails.last().copied(), |index| before.get(*index).copied().flatten()).collect();
    run.reverse();
    run
}
