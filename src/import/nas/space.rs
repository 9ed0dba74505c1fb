//! The spaces themselves: their cells enumerated, or drawn from a seed. Each cell is written as
//! `nas::read` reads it, without the prefix `nas:<space>:`.

use crate::random::Random;
use std::collections::BTreeSet;

const OPERATIONS_201: [&str; 5] = [
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
];

/// Every cell of NAS-Bench-201 in the order of its six edges: 5^6 = 15,625.
pub fn nasbench201() -> impl Iterator<Item = String> {
    (0..OPERATIONS_201.len().pow(6)).map(|number| {
        let op = |edge: u32| {
            OPERATIONS_201[number / OPERATIONS_201.len().pow(5 - edge) % OPERATIONS_201.len()]
        };
        format!(
            "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|",
            op(0),
            op(1),
            op(2),
            op(3),
            op(4),
            op(5)
        )
    })
}

/// The number of a cell of NAS-Bench-201 that has another operation on one edge of cell `number`.
pub fn nasbench201_edited(number: usize, random: &mut Random) -> usize {
    let place = OPERATIONS_201.len().pow(random.below(6) as u32);
    let old = number / place % OPERATIONS_201.len();
    let new = (old + 1 + random.below(OPERATIONS_201.len() - 1)) % OPERATIONS_201.len();
    number - old * place + new * place
}

/// `count` distinct genotypes of DARTS: every step reads two earlier states, each through an
/// operation other than `none`, and the cell's output holds all four steps, as published.
pub fn darts(count: usize, seed: u64) -> BTreeSet<String> {
    let mut random = Random::new(seed);
    let mut drawn = BTreeSet::new();
    while drawn.len() < count {
        drawn.insert(Genotype::draw(&mut random).text());
    }
    drawn
}

/// A normal and a reduction cell of DARTS: for each step its two operations and their sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genotype([[[(usize, usize); 2]; 4]; 2]);

impl Genotype {
    const OPS: [&str; 7] = [
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ];

    /// Any genotype, all alike probable.
    pub fn draw(random: &mut Random) -> Self {
        let mut step = |states: usize| {
            let first = random.below(states);
            let second = (first + 1 + random.below(states - 1)) % states;
            [first.min(second), first.max(second)]
                .map(|source| (random.below(Self::OPS.len()), source))
        };
        let mut cell = || [2, 3, 4, 5].map(&mut step);
        Self([cell(), cell()])
    }

    /// With another operation, or another source, in one place.
    pub fn edited(mut self, random: &mut Random) -> Self {
        let step = random.below(4);
        let states = step + 2;
        let pair = &mut self.0[random.below(2)][step];
        let place = random.below(2);
        let (op, source) = pair[place];
        let taken = pair[1 - place].1;
        if states > 2 && random.below(2) == 0 {
            let free: Vec<usize> = (0..states)
                .filter(|other| ![source, taken].contains(other))
                .collect();
            pair[place].1 = free[random.below(free.len())];
            pair.sort_by_key(|(_, source)| *source);
        } else {
            let step = 1 + random.below(Self::OPS.len() - 1);
            pair[place].0 = (op + step) % Self::OPS.len();
        }
        self
    }

    /// As Python prints it, and as `nas::read` reads it after `darts:`.
    pub fn text(&self) -> String {
        let [normal, reduce] = self.0.map(|cell| {
            let edges = cell.iter().flatten();
            let edges = edges.map(|(op, source)| format!("('{}', {source})", Self::OPS[*op]));
            edges.collect::<Vec<_>>().join(", ")
        });
        format!(
            "Genotype(normal=[{normal}], normal_concat=range(2, 6), reduce=[{reduce}], reduce_concat=range(2, 6))"
        )
    }
}

/// `count` of the distinct cells of NAS-Bench-101, drawn without repetition, in a fixed order.
pub fn nasbench101_sample(count: usize, seed: u64) -> Vec<Code> {
    let mut cells = nasbench101();
    let mut random = Random::new(seed);
    let count = count.min(cells.len());
    for place in 0..count {
        let other = place + random.below(cells.len() - place);
        cells.swap(place, other);
    }
    cells.truncate(count);
    cells.sort_unstable();
    cells
}

/// Every cell of NAS-Bench-101, once up to isomorphism: at most seven vertices and nine edges,
/// each vertex on a path from input to output. The published count is 423,624.
pub fn nasbench101() -> Vec<Code> {
    (2..=Code::MOST_VERTICES).flat_map(classes).collect()
}

/// A cell of NAS-Bench-101 in a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    vertices: u8,
    /// Bit `from * 8 + to` of each edge.
    edges: u64,
    /// Two bits for each interior vertex.
    ops: u16,
}

impl Code {
    const MOST_VERTICES: usize = 7;
    const MOST_EDGES: u32 = 9;
    const OPS: [&str; 3] = ["conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"];

    /// With an edge more or less, or another operation in one place; as many vertices, each of
    /// them still on a path from input to output. Few cells allow no edge to change.
    pub fn edited(self, random: &mut Random) -> Self {
        const TRIES: usize = 100;
        let count = usize::from(self.vertices);
        for _ in 0..TRIES {
            let mut edited = self;
            if count > 2 && random.below(2) == 0 {
                let place = 2 * random.below(count - 2);
                let op = (self.ops >> place & 3) as usize;
                let other = (op + 1 + random.below(Self::OPS.len() - 1)) % Self::OPS.len();
                edited.ops = self.ops & !(3 << place) | (other as u16) << place;
            } else {
                let to = 1 + random.below(count - 1);
                edited.edges ^= 1 << (random.below(to) * 8 + to);
            }
            if edited.edges.count_ones() <= Self::MOST_EDGES && is_whole(edited.edges, count) {
                return edited;
            }
        }
        self
    }

    /// The cell as `nas::read` reads it after `nasbench101:`.
    pub fn text(&self) -> String {
        let count = usize::from(self.vertices);
        let row = |from: usize| {
            let cells = (0..count).map(|to| if has(self.edges, from, to) { "1" } else { "0" });
            format!("[{}]", cells.collect::<Vec<_>>().join(","))
        };
        let rows: Vec<String> = (0..count).map(row).collect();
        let op = |vertex: usize| match vertex {
            0 => "input",
            last if last + 1 == count => "output",
            interior => Self::OPS[usize::from(self.ops >> (2 * (interior - 1)) & 3)],
        };
        let ops: Vec<String> = (0..count)
            .map(|vertex| format!("\"{}\"", op(vertex)))
            .collect();
        format!(
            "{{\"matrix\":[{}],\"ops\":[{}]}}",
            rows.join(","),
            ops.join(",")
        )
    }
}

fn has(edges: u64, from: usize, to: usize) -> bool {
    edges >> (from * 8 + to) & 1 == 1
}

/// One cell of each class with so many vertices: the smallest edges among all orders, and then
/// the smallest operations among the orders that keep the edges.
fn classes(count: usize) -> Vec<Code> {
    let orders = super::build::orders(count - 2);
    let pairs: Vec<(usize, usize)> = (0..count)
        .flat_map(|from| (from + 1..count).map(move |to| (from, to)))
        .collect();
    let mut found = Vec::new();
    for chosen in 0..1u64 << pairs.len() {
        if chosen.count_ones() > Code::MOST_EDGES {
            continue;
        }
        let edges = pairs
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
            .fold(0, |edges, (_, (from, to))| edges | 1 << (from * 8 + to));
        if !is_whole(edges, count) {
            continue;
        }
        if let Some(symmetries) = symmetries_if_smallest(edges, count, &orders) {
            found.extend(labellings(count, &symmetries).map(|ops| Code {
                vertices: count as u8,
                edges,
                ops,
            }));
        }
    }
    found
}

/// Whether every vertex lies on a path from the first to the last.
fn is_whole(edges: u64, count: usize) -> bool {
    (0..count).all(|vertex| {
        let is_read = vertex + 1 == count || (vertex + 1..count).any(|to| has(edges, vertex, to));
        let is_fed = vertex == 0 || (0..vertex).any(|from| has(edges, from, vertex));
        is_read && is_fed
    })
}

/// The orders of interior vertices that keep the edges; none when another order makes them smaller.
fn symmetries_if_smallest(
    edges: u64,
    count: usize,
    orders: &[Vec<usize>],
) -> Option<Vec<&[usize]>> {
    let mut symmetries = Vec::new();
    for order in orders {
        let place = |vertex: usize| match vertex {
            0 => 0,
            last if last + 1 == count => last,
            interior => order[interior - 1] + 1,
        };
        let moved = (0..count)
            .flat_map(|from| (from + 1..count).map(move |to| (from, to)))
            .filter(|(from, to)| has(edges, *from, *to))
            .try_fold(0, |moved, (from, to)| {
                let (from, to) = (place(from), place(to));
                (from < to).then(|| moved | 1u64 << (from * 8 + to))
            });
        match moved {
            Some(moved) if moved < edges => return None,
            Some(moved) if moved == edges => symmetries.push(order.as_slice()),
            _ => {}
        }
    }
    Some(symmetries)
}

/// The operations of interior vertices, once up to the symmetries.
fn labellings(count: usize, symmetries: &[&[usize]]) -> impl Iterator<Item = u16> {
    let interior = count - 2;
    (0..3u32.pow(interior as u32)).filter_map(move |number| {
        let ops = |vertex: usize| (number / 3u32.pow(vertex as u32) % 3) as u16;
        let code = |place: &dyn Fn(usize) -> usize| {
            (0..interior).fold(0u16, |code, vertex| {
                code | ops(vertex) << (2 * place(vertex))
            })
        };
        let own = code(&|vertex| vertex);
        symmetries
            .iter()
            .all(|order| code(&|vertex| order[vertex]) >= own)
            .then_some(own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Limits, nas};

    fn is_read(space: &str, cell: &str) -> bool {
        nas::read(&format!("nas:{space}:{cell}"), &Limits::default()).is_ok()
    }

    #[test]
    fn nasbench201_has_its_published_size_and_begins_with_nothing() {
        let cells: BTreeSet<String> = nasbench201().collect();
        assert_eq!(cells.len(), 15_625);
        let last = nasbench201().last().unwrap();
        assert!(is_read("nasbench201", &last), "{last}");
    }

    #[test]
    fn small_cells_of_nasbench101_are_as_many_as_counted_by_hand() {
        // Input to output; one vertex with and without the shortcut, three operations each.
        assert_eq!(classes(2).len(), 1);
        assert_eq!(classes(3).len(), 6);
    }

    #[test]
    fn samples_are_distinct_readable_and_follow_from_their_seed() {
        let cells = darts(20, 7);
        assert_eq!(cells, darts(20, 7));
        assert_ne!(cells, darts(20, 8));
        assert!(cells.iter().all(|cell| is_read("darts", cell)));
        let codes: Vec<String> = classes(5).iter().map(Code::text).collect();
        assert!(codes.iter().all(|cell| is_read("nasbench101", cell)));
    }
}
