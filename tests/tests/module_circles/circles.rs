//! Circles between modules that stand side by side.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{ModulePath, Modules};

/// Modules that use each other, directly or through one another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Circle {
    /// The module that they are in.
    pub(crate) within: String,
    /// Their names there.
    pub(crate) modules: Vec<String>,
    /// Who uses whom by which path.
    pub(crate) uses: Vec<String>,
}

/// User and used, as names below one parent, with the paths that show it.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Every circle of a crate. A parent and its children are none: a use counts between the two modules that stand
/// side by side below the nearest parent of user and used.
pub(crate) fn circles(modules: &Modules) -> Vec<Circle> {
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    for (user, used, name) in modules.uses() {
        let Some(depth) = user.iter().zip(&used).position(|(one, other)| one != other) else {
            continue;
        };
        let shown = format!("{} uses {}", shown(user), name.join("::"));
        let graph = graphs.entry(user[..depth].join("::")).or_default();
        let edges = graph.entry(user[depth].clone()).or_default();
        edges.entry(used[depth].clone()).or_default().insert(shown);
    }
    graphs
        .iter()
        .flat_map(|(within, graph)| circles_of(within, graph))
        .collect()
}

fn circles_of(within: &str, graph: &Graph) -> Vec<Circle> {
    let mut circles = Vec::new();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    for start in graph.keys() {
        if placed.contains(start.as_str()) {
            continue;
        }
        let reached = reached(graph, start);
        let members: BTreeSet<&str> = reached
            .iter()
            .copied()
            .filter(|other| self::reached(graph, other).contains(start.as_str()))
            .collect();
        if members.len() < 2 {
            continue;
        }
        let uses = members
            .iter()
            .flat_map(|user| graph[*user].iter())
            .filter(|(used, _)| members.contains(used.as_str()))
            .flat_map(|(_, shown)| shown.iter().cloned())
            .collect();
        circles.push(Circle {
            within: within.to_owned(),
            modules: members.iter().map(|&member| member.to_owned()).collect(),
            uses,
        });
        placed.extend(members);
    }
    circles
}

fn reached<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        for used in graph.get(name).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    reached
}

fn shown(path: &ModulePath) -> String {
    format!("crate::{}", path.join("::"))
}
