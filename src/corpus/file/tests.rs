use super::*;
use crate::corpus::Kind;
use crate::graph::{Digest, Edge, Shape};
use crate::import::{Dialect, Map, RawNode, RawValue};

fn entry(name: &str) -> Entry {
    Entry {
        id: format!("timm/{name}"),
        name: name.into(),
        aliases: vec![],
        package: "timm".into(),
        package_version: "1.0".into(),
        module: "resnet".into(),
        family: "resnet".into(),
        coarse_family: "convnet".into(),
        task: "image-classification".into(),
        framework: "torch".into(),
        kind: Kind::Published,
        parameters: 11,
        flops: 12,
        operators: 2,
        input_shapes: vec![Shape::known(&[1, 3, 8, 8])],
        exact: Digest([1; 16]),
        coarse: Digest([2; 16]),
        paper: None,
        licence: Some("Apache-2.0".into()),
    }
}

fn graph(name: &str, width: u64) -> RawGraph {
    let values = vec![
        RawValue::Operand(0),
        RawValue::Weight(Shape::known(&[width, 3, 3, 3])),
        RawValue::None,
        RawValue::List(vec![
            RawValue::Int(2),
            RawValue::Int(-7),
            RawValue::Int(5_000),
        ]),
        RawValue::Float(0.1),
        RawValue::Bool(true),
        RawValue::Text("same".into()),
        RawValue::Constant {
            shape: Shape(vec![None]),
            values: Some(vec![1.0, f64::INFINITY]),
        },
        RawValue::Constant {
            shape: Shape::default(),
            values: None,
        },
        RawValue::Slice(Box::new([
            RawValue::None,
            RawValue::Int(i64::MIN),
            RawValue::Int(1),
        ])),
        RawValue::Ellipsis,
        RawValue::Other("float32".into()),
        RawValue::Map(Map(vec![("dim".into(), RawValue::Int(199))])),
    ];
    RawGraph {
        dialect: Dialect::Torch,
        producer: Some("test".into()),
        name: Some(name.into()),
        parameters: Some(u64::MAX),
        nodes: vec![
            RawNode {
                op: "input".into(),
                shapes: vec![Some(Shape::known(&[1, 3, 8, 8]))],
                ..RawNode::default()
            },
            RawNode {
                op: "conv2d".into(),
                inputs: vec![Some(Edge::first(0)), None, Some(Edge { node: 0, port: 3 })],
                attributes: Map(vec![("args".into(), RawValue::List(values))]),
                shapes: vec![None, Some(Shape(vec![Some(1), None]))],
                parameters: width * 27,
                ..RawNode::default()
            },
            RawNode {
                op: "relu".into(),
                inputs: vec![Some(Edge::first(1))],
                parameters: 5,
                ..RawNode::default()
            },
        ],
        outputs: vec![Edge::first(2), Edge { node: 1, port: 1 }],
    }
}

fn corpus(count: usize) -> (Vec<Entry>, Vec<RawGraph>, Vec<u8>) {
    let names: Vec<_> = (0..count).map(|index| format!("net{index}")).collect();
    let entries: Vec<_> = names.iter().map(|name| entry(name)).collect();
    let graphs: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, width)| graph(name, width))
        .collect();
    let bytes = write("test-1", &entries, |index| Ok(graphs[index].clone())).unwrap();
    (entries, graphs, bytes)
}

fn every_graph(corpus: &Corpus) -> Result<Vec<RawGraph>, Error> {
    let mut graphs = Vec::new();
    for block in 0..corpus.block_count() {
        for graph in corpus.block(block)?.graphs()? {
            let (index, graph) = graph?;
            assert_eq!(index, graphs.len());
            graphs.push(graph);
        }
    }
    Ok(graphs)
}

#[test]
fn a_corpus_survives_writing_and_reading() {
    let (entries, graphs, bytes) = corpus(150);
    let corpus = Corpus::read(bytes).unwrap();
    assert_eq!(corpus.version(), "test-1");
    assert_eq!(corpus.entries(), entries);
    assert_eq!(corpus.block_count(), 3);
    assert_eq!(every_graph(&corpus).unwrap(), graphs);
    assert_eq!(corpus.graph(100).unwrap(), graphs[100]);
    assert!(matches!(
        corpus.graph(150),
        Err(Error::Missing {
            index: 150,
            entries: 150
        })
    ));
}

#[test]
fn an_empty_corpus_is_a_corpus() {
    let (_, _, bytes) = corpus(0);
    assert_eq!(Corpus::read(bytes).unwrap().stats().names, 0);
}

#[test]
fn stats_count_names_and_distinct_designs() {
    let (mut entries, graphs, _) = corpus(3);
    entries[0].aliases = vec!["torchvision/net".into()];
    entries[1].kind = Kind::Composed;
    entries[2].package = "darts".into();
    let bytes = write("v", &entries, |index| Ok(graphs[index].clone())).unwrap();
    let stats = serde_json::to_value(Corpus::read(bytes).unwrap().stats()).unwrap();
    let expected = serde_json::json!({
        "corpus_version": "v", "names": 4, "distinct_exact": 1, "distinct_coarse": 1,
        "published": 2, "composed": 1, "families": 1, "coarse_families": 1, "packages": 2,
        "tasks": 1, "nas": {},
    });
    assert_eq!(stats, expected);
}

#[test]
fn every_truncation_is_refused() {
    let (_, _, bytes) = corpus(2);
    for len in 0..bytes.len() {
        assert!(
            Corpus::read(bytes[..len].to_vec()).is_err(),
            "{len} bytes were accepted"
        );
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_, _, bytes) = corpus(2);
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x40;
        assert!(
            Corpus::read(bytes).is_err(),
            "a change at {place} was accepted"
        );
    }
}

#[test]
fn damage_is_named_with_its_bytes() {
    let (_, _, bytes) = corpus(150);
    let ends = bytes.len() as u64;
    let refusal = |bytes: Vec<u8>| Corpus::read(bytes).unwrap_err();
    let cut = refusal(bytes[..bytes.len() - 1].to_vec());
    assert!(
        matches!(&cut, Error::Truncated { part, at } if part == "block 2 of graphs" && *at == ends - 1),
        "{cut}"
    );
    let mut changed = bytes.clone();
    let place = changed.len() - 20;
    changed[place] ^= 0x10;
    let damage = refusal(changed);
    assert!(
        matches!(&damage, Error::Damaged { part, start, end }
            if part == "block 2 of graphs" && (*start..*end).contains(&(place as u64)) && *end == ends),
        "{damage}"
    );
    let mut changed = bytes;
    changed[HEADER_BYTES + 30] ^= 0x10;
    assert!(
        matches!(refusal(changed), Error::Damaged { part, .. } if part == "the list of entries")
    );
}

/// Makes the checksum right again, so that what lies behind it is reached.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = *blake3::hash(&bytes[HEADER_BYTES..]).as_bytes();
    bytes[HEADER_BYTES - CHECKSUM_BYTES..HEADER_BYTES].copy_from_slice(&checksum);
    bytes
}

#[test]
fn resealed_damage_never_panics() {
    let (_, _, bytes) = corpus(2);
    for place in HEADER_BYTES..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[place] ^= flip;
            if let Ok(corpus) = Corpus::read(resealed(bytes)) {
                let _ = every_graph(&corpus);
            }
        }
    }
}

#[test]
fn a_huge_stated_length_is_refused_before_memory_is_taken() {
    let (_, _, mut bytes) = corpus(1);
    bytes[HEADER_BYTES + 8..HEADER_BYTES + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(
        Corpus::read(resealed(bytes)),
        Err(Error::TooLarge { .. })
    ));
}

fn decoded(bytes: &[u8]) -> Result<Vec<RawGraph>, columns::Problem> {
    columns::decode(bytes)?.collect()
}

#[test]
fn damaged_columns_never_panic() {
    let (_, graphs, _) = corpus(3);
    let bytes = columns::encode(&graphs).unwrap();
    for place in 0..bytes.len() {
        for value in [0, 1, 5, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[place] = value;
            let _ = decoded(&bytes);
        }
        assert!(decoded(&bytes[..place]).is_err());
    }
}

#[test]
fn a_forward_edge_is_refused_when_writing() {
    let mut graph = graph("net", 1);
    graph.nodes[1].inputs[0] = Some(Edge::first(1));
    let error = write("v", &[entry("net")], |_| Ok(graph.clone())).unwrap_err();
    assert!(error.to_string().contains("backwards"));
}
