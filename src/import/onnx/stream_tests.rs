//! Files too large to hold, made up while they are read.

use super::budget::Budget;
use super::testing::{Proto, graph, model, node, tensor};
use super::{Error, read, read_from, skim};
use crate::import::Limits;
use std::io::{BufReader, Read};

/// A model of `layers` matrices of 4 MB each: pieces of bytes, and runs of one byte.
fn large(layers: usize) -> impl Read {
    const WEIGHT_BYTES: usize = 4 << 20;
    let mut pieces: Vec<Box<dyn Read>> = vec![];
    let mut graph_len = 0u64;
    for layer in 0..layers {
        let (from, to) = (format!("v{layer}"), format!("v{}", layer + 1));
        let name = format!("w{layer}");
        let head = Proto::new()
            .message(1, node("MatMul", &[&from, &name], &[&to]))
            .0;
        let start = tensor(&name, 1, &[1024, 1024])
            .raw_varint(9 << 3 | 2)
            .raw_varint(WEIGHT_BYTES as u64)
            .0;
        let tensor_len = start.len() + WEIGHT_BYTES;
        let opening = Proto::new()
            .raw_varint(5 << 3 | 2)
            .raw_varint(tensor_len as u64);
        let piece = [head, opening.0, start].concat();
        graph_len += (piece.len() + WEIGHT_BYTES) as u64;
        pieces.push(Box::new(std::io::Cursor::new(piece)));
        pieces.push(Box::new(std::io::repeat(0x3f).take(WEIGHT_BYTES as u64)));
    }
    let ends = graph(&[], &["v0"], &[&format!("v{layers}")]).0;
    graph_len += ends.len() as u64;
    let start = Proto::new()
        .int(1, 8)
        .raw_varint(7 << 3 | 2)
        .raw_varint(graph_len)
        .0;
    pieces.push(Box::new(std::io::Cursor::new(ends)));
    pieces.into_iter().fold(
        Box::new(std::io::Cursor::new(start)) as Box<dyn Read>,
        |all, piece| Box::new(all.chain(piece)),
    )
}

#[test]
fn a_model_of_200_megabytes_keeps_a_few_kilobytes() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    let skimmed = skim::skim(BufReader::new(large(50)), &mut Budget::new(&limits)).unwrap();
    assert!(skimmed.kept.len() < 8_000, "{}", skimmed.kept.len());
    let raw = read_from(large(50), &limits).unwrap();
    assert_eq!(raw.nodes.len(), 101);
    assert_eq!(raw.parameters, Some(50 << 20));
}

#[test]
fn damage_is_told_where_it_is_in_the_file() {
    let payload = [7; 20_000];
    let weights = tensor("w", 1, &[5_000]).bytes(9, &payload);
    let bad = node("Relu", &["x"], &["y"]).bytes(3, b"\xff");
    let graph = Proto::new()
        .message(5, weights)
        .bytes(99, &payload)
        .message(1, bad);
    let bytes = model(graph).0;
    let limits = Limits::default();
    let whole = read(&bytes, &limits);
    assert!(matches!(whole, Err(Error::Damaged { offset, .. }) if offset > 40_000));
    assert_eq!(read_from(&bytes[..], &limits), whole);
}

#[test]
fn a_reader_that_fails_is_reported() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the cable is loose"))
        }
    }
    let error = read_from(Broken, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("the cable is loose"));
}

#[test]
fn what_is_kept_of_an_endless_file_is_bounded() {
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    // An endless sequence of small nodes in a graph that claims to be endless too.
    let start = Proto::new()
        .raw_varint(7 << 3 | 2)
        .raw_varint(u64::MAX >> 1)
        .0;
    let nodes = Proto::new().message(1, node("Relu", &["x"], &["y"])).0;
    let endless = std::io::Cursor::new(start).chain(std::io::Cursor::new(nodes.repeat(1_000_000)));
    assert!(matches!(
        read_from(endless, &limits),
        Err(Error::TooLarge { .. })
    ));
    // A value's description that never ends.
    let start = Proto::new()
        .raw_varint(7 << 3 | 2)
        .raw_varint(u64::MAX >> 1)
        .raw_varint(11 << 3 | 2)
        .raw_varint(1 << 50)
        .0;
    assert!(matches!(
        read_from(
            std::io::Cursor::new(start).chain(std::io::repeat(0)),
            &limits
        ),
        Err(Error::TooLarge { .. })
    ));
}
