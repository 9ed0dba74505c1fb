use super::*;
use proptest::prelude::*;

const SAMPLE: &str = r#"{"format":"netkin-graph","version":1,"dialect":"torch","name":"net",
    "nodes":[{"op":"input","shapes":[[1,3,8,null]]},
    {"op":"conv2d","inputs":[0],"attributes":{"args":[{"t":0},{"w":[8,3,3,3]},null,1e308,
    {"c":[2],"v":[1,"inf"]},{"slice":[null,-1,2]},{"ellipsis":true},{"dtype":"float32"}]},
    "shapes":[null],"parameters":216,"module":"stem"}],"outputs":[[1,0]]}"#;

fn sample_with(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from));
    read(SAMPLE.replacen(from, to, 1).as_bytes(), &Limits::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_graph_survives_json() {
    let graph = read(SAMPLE.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(
        read(write(&graph).as_bytes(), &Limits::default()).unwrap(),
        graph
    );
}

#[test]
fn refusals_name_the_node_and_the_field() {
    assert!(sample_with("\"version\":1", "\"version\":2").contains("upgrade netkin"));
    assert!(sample_with("netkin-graph", "other").contains("format"));
    assert!(sample_with("\"inputs\":[0]", "\"inputs\":[1]").starts_with("node 1: `inputs`"));
    assert!(sample_with("[[1,0]]", "[7]").contains("outputs"));
    assert!(sample_with("{\"t\":0}", "{\"t\":1}").contains("node 1: `args`"));
    assert!(sample_with("[1,3,8,null]", "[1,-3]").contains("node 0: `shapes`"));
    assert!(sample_with("\"name\":\"net\"", "\"name\":\"a\",\"name\":\"b\"").contains("repeated"));
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert!(sample_with("1e308", &deep).contains("limits.depth"));
    let abyss = "[".repeat(100_000);
    assert!(read(abyss.as_bytes(), &Limits::default()).is_err());
}

proptest! {
    #[test]
    fn no_damage_panics(place in 0usize..500, byte: u8, noise in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        if let Some(found) = bytes.get_mut(place) {
            *found = byte;
        }
        let _ = read(&bytes, &Limits::default());
        let _ = read(&noise, &Limits::default());
    }
}
