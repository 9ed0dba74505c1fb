//! How many edits lie between two cells of one space: exact, by trying every relabelling.
//!
//! A cell is laid out as places with a value each; an edit changes the value of one place. The
//! distance is the fewest places that differ under any renaming of the interior vertices:
//!
//! - NAS-Bench-101: a place for each edge and for each of five interior operations, of which one
//!   may be missing. 120 renamings.
//! - NAS-Bench-201: a place for each of the six operations. The two inner nodes may change names
//!   where nothing flows from one to the other.
//! - DARTS: in both cells a place for each pair of a step and a state it might read, holding the
//!   operation. Another source is therefore two edits. 24 renamings of the steps a cell.

use super::{build::orders, darts, nasbench101, nasbench201};

/// A cell, laid out for distances.
#[derive(Clone, Debug)]
pub struct Places {
    /// Parts that are renamed each for itself; of each its renamings, the first as written.
    parts: Vec<Vec<Vec<u8>>>,
}

impl Places {
    /// Lays out a cell that is written as in `nas:<space>:<cell>`.
    ///
    /// # Errors
    /// When the space has no such cell, as a sentence that continues "this cell …".
    pub fn read(space: &str, cell: &str) -> Result<Self, String> {
        let parts = match space {
            "nasbench101" => vec![of_nasbench101(cell)?],
            "nasbench201" => vec![of_nasbench201(cell)?],
            "darts" => of_darts(cell)?,
            _ => return Err("is of a space without distances".into()),
        };
        Ok(Self { parts })
    }

    /// The fewest edits between two cells of one space.
    pub fn distance(&self, other: &Self) -> u32 {
        let parts = self.parts.iter().zip(&other.parts);
        parts
            .map(|(ours, theirs)| {
                let theirs = theirs.first().map_or(&[][..], Vec::as_slice);
                let counts = ours.iter().map(|renamed| differing(renamed, theirs));
                counts.min().unwrap_or(0)
            })
            .sum()
    }
}

fn differing(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(a, b)| u32::from(a != b)).sum()
}

fn of_nasbench101(text: &str) -> Result<Vec<Vec<u8>>, String> {
    const VERTICES: usize = nasbench101::MOST_VERTICES;
    let cell = nasbench101::parse(text)?.pruned()?;
    let last = cell.ops.len() - 1;
    // The output is the last vertex of seven, whatever lies between.
    let place = |vertex: usize| if vertex == last { VERTICES - 1 } else { vertex };
    let mut edges = [[0u8; VERTICES]; VERTICES];
    let mut ops = [0u8; VERTICES];
    for (from, row) in cell.matrix.iter().enumerate() {
        ops[place(from)] = 1 + cell.ops[from] as u8;
        for (to, edge) in row.iter().enumerate() {
            edges[place(from)][place(to)] |= u8::from(*edge);
        }
    }
    Ok(orders(VERTICES - 2)
        .iter()
        .map(|order| {
            let interior = order.iter().map(|vertex| vertex + 1);
            let whole: Vec<usize> = [0]
                .into_iter()
                .chain(interior)
                .chain([VERTICES - 1])
                .collect();
            let renamed_ops = whole.iter().map(|vertex| ops[*vertex]);
            let renamed_edges = whole
                .iter()
                .flat_map(|from| whole.iter().map(|to| edges[*from][*to]));
            renamed_ops.chain(renamed_edges).collect()
        })
        .collect())
}

fn of_nasbench201(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let cell = nasbench201::parse(text)?;
    let ops: Vec<u8> = cell
        .iter()
        .flatten()
        .map(nasbench201::Edge::number)
        .collect();
    let mut renamings = vec![ops.clone()];
    // In the order of the text: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
    if let [first, second, between, skip, from_first, from_second] = ops[..]
        && between == nasbench201::Edge::None.number()
    {
        renamings.push(vec![second, first, between, skip, from_second, from_first]);
    }
    Ok(renamings)
}

fn of_darts(text: &str) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let (normal, reduce) = darts::cells(text)?;
    [normal, reduce]
        .iter()
        .map(|cell| {
            let orders = orders(cell.steps.len());
            orders
                .iter()
                .map(|order| darts_places(cell, order))
                .collect()
        })
        .collect()
}

fn darts_places(cell: &darts::Cell, order: &[usize]) -> Result<Vec<u8>, String> {
    let cell = cell.ordered(order);
    let states = cell.steps.len() + 2;
    let mut places = vec![0; cell.steps.len() * states];
    for (step, operands) in cell.steps.iter().enumerate() {
        for (source, op) in operands {
            let place = &mut places[step * states + source];
            if *place != 0 {
                return Err(
                    "reads one state twice in one step, for which distances are not defined".into(),
                );
            }
            *place = op.number();
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::super::space;
    use super::*;
    use crate::random::Random;

    fn distance(space: &str, one: &str, other: &str) -> u32 {
        let places = |cell| Places::read(space, cell).unwrap();
        let there = places(one).distance(&places(other));
        assert_eq!(there, places(other).distance(&places(one)), "symmetric");
        there
    }

    #[test]
    fn one_operation_is_one_edit_of_nasbench201() {
        let cell = |first: &str, last: &str| {
            format!("|{first}~0|+|none~0|none~1|+|skip_connect~0|none~1|{last}~2|")
        };
        let one = cell("nor_conv_3x3", "none");
        assert_eq!(distance("nasbench201", &one, &one), 0);
        assert_eq!(
            distance("nasbench201", &one, &cell("avg_pool_3x3", "none")),
            1
        );
        assert_eq!(
            distance("nasbench201", &one, &cell("none", "nor_conv_3x3")),
            2
        );
    }

    #[test]
    fn names_of_inner_nodes_do_not_matter_in_nasbench201() {
        let one = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|";
        let other = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|avg_pool_3x3~2|";
        assert_eq!(distance("nasbench201", one, other), 0);
    }

    #[test]
    fn order_does_not_matter_in_nasbench101_and_a_vertex_costs_its_edges() {
        let chain = |ops: [&str; 2]| {
            format!(
                r#"{{"matrix":[[0,1,0,0],[0,0,1,0],[0,0,0,1],[0,0,0,0]],"ops":["input","{}","{}","output"]}}"#,
                ops[0], ops[1]
            )
        };
        let one = chain(["conv1x1-bn-relu", "conv3x3-bn-relu"]);
        let turned = chain(["conv3x3-bn-relu", "conv1x1-bn-relu"]);
        assert_eq!(distance("nasbench101", &one, &turned), 2);
        let short =
            r#"{"matrix":[[0,1,0],[0,0,1],[0,0,0]],"ops":["input","conv1x1-bn-relu","output"]}"#;
        // The operation, two edges less and one more.
        assert_eq!(distance("nasbench101", &one, short), 4);
    }

    #[test]
    fn an_edit_moves_a_cell_by_at_most_one_and_in_darts_by_two() {
        let mut random = Random::new(5);
        for code in space::nasbench101_sample(50, 1) {
            let edited = code.edited(&mut random).text();
            assert!(distance("nasbench101", &code.text(), &edited) <= 1);
        }
        for _ in 0..50 {
            let genotype = space::Genotype::draw(&mut random);
            let edited = genotype.edited(&mut random).text();
            let edits = distance("darts", &genotype.text(), &edited);
            assert!((1..=2).contains(&edits), "{edits}");
        }
    }
}
