use super::*;
use proptest::prelude::*;

fn graph(text: &str) -> RawGraph {
    read(text, &Limits::default()).unwrap()
}

fn problem(text: &str) -> String {
    read(text, &Limits::default()).unwrap_err().to_string()
}

const INCEPTION_LIKE: &str = r#"nas:nasbench101:{"matrix":[[0,1,1,1,0,1,0],[0,0,0,0,0,0,1],
    [0,0,0,0,0,0,1],[0,0,0,0,1,0,0],[0,0,0,0,0,0,1],[0,0,0,0,0,0,1],[0,0,0,0,0,0,0]],
    "ops":["input","conv1x1-bn-relu","conv3x3-bn-relu","conv3x3-bn-relu","conv3x3-bn-relu",
    "maxpool3x3","output"]}"#;

const DARTS_V2: &str = "nas:darts:Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), \
    ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), \
    ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], \
    reduce_concat=[2, 3, 4, 5])";

#[test]
fn the_published_example_of_nasbench101_has_its_published_parameters() {
    assert_eq!(graph(INCEPTION_LIKE).parameters, Some(2_694_282));
}

#[test]
fn darts_v2_has_its_published_parameters() {
    assert_eq!(graph(DARTS_V2).parameters, Some(3_349_342));
}

#[test]
fn the_largest_cell_of_nasbench201_has_its_published_parameters() {
    let conv = "nor_conv_3x3";
    let graph = graph(&format!(
        "nas:nasbench201:|{conv}~0|+|{conv}~0|{conv}~1|+|{conv}~0|{conv}~1|{conv}~2|"
    ));
    assert_eq!(graph.parameters, Some(1_531_546));
}

#[test]
fn isomorphic_cells_give_one_graph() {
    let one = r#"nasbench101:{"matrix":[[0,1,1,0],[0,0,0,1],[0,0,0,1],[0,0,0,0]],"ops":["input","conv1x1-bn-relu","maxpool3x3","output"]}"#;
    let other = r#"nasbench101:{"matrix":[[0,1,1,1,0],[0,0,0,0,1],[0,0,0,0,1],[0,0,0,0,0],[0,0,0,0,0]],"ops":["input","maxpool3x3","conv1x1-bn-relu","conv3x3-bn-relu","output"]}"#;
    assert_eq!(graph(one), graph(other));
}

#[test]
fn what_nothing_reads_is_pruned() {
    let with_dead = graph(
        "nasbench201:|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|none~2|",
    );
    assert!(
        !with_dead
            .nodes
            .iter()
            .any(|node| node.op.contains("none") || node.op.contains("skip"))
    );
    let count = with_dead
        .nodes
        .iter()
        .filter(|node| &*node.op == "conv")
        .count();
    assert_eq!(count, 1 + 15 + 2 * 3);
}

#[test]
fn a_malformed_cell_says_what_is_wrong() {
    assert!(problem("nas:darts").contains("nas:<space>:<cell>"));
    assert!(problem("nas:nasbench301:x").contains("nasbench301"));
    assert!(
        problem("nas:nasbench201:|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|")
            .contains("`conv`")
    );
    assert!(
        problem("nas:nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
            .contains("nothing flow")
    );
    assert!(problem("nas:nasbench101:{}").contains("matrix"));
    assert!(
        problem("nas:darts:Genotype(normal=[('sep_conv_3x3', 7), ('none', 0)], normal_concat=[2])")
            .contains("state 7")
    );
    let huge = "nas:darts:Genotype(normal=[('none', 0), ('none', 0)], normal_concat=range(2, 18446744073709551615))";
    assert!(problem(huge).contains("normal_concat"));
}

#[test]
fn deep_and_long_cells_are_refused() {
    let deep = format!("nas:nasbench101:{{\"matrix\":{}", "[".repeat(8_000));
    assert!(problem(&deep).contains("is not written"));
    let parentheses = format!("nas:darts:Genotype(normal={}", "[(".repeat(4_000));
    problem(&parentheses);
    let long = format!("nas:nasbench201:{}", "|".repeat(1 << 20));
    assert!(problem(&long).contains("longer"));
    let wide = format!(
        "nas:nasbench101:{{\"matrix\":[[{}0]],\"ops\":[]}}",
        "0,".repeat(5_000)
    );
    problem(&wide);
    let twice = r#"nas:nasbench101:{"matrix":[[0]],"matrix":[[0]],"ops":["input"]}"#;
    assert!(problem(twice).contains("duplicate"));
}

proptest! {
    #[test]
    fn no_text_panics(space in "nasbench101|nasbench201|darts", cell in ".{0,200}") {
        let _ = read(&format!("{space}:{cell}"), &Limits::default());
    }

    #[test]
    fn no_damage_panics(place in 0usize..400, byte in 32u8..127) {
        for cell in [INCEPTION_LIKE, DARTS_V2] {
            let mut bytes = cell.as_bytes().to_vec();
            if let Some(found) = bytes.get_mut(place) {
                *found = byte;
            }
            let _ = read(&String::from_utf8_lossy(&bytes), &Limits::default());
        }
    }
}
