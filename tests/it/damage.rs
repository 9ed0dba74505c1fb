//! Files cut, changed and mixed at random: each is described or refused, and nothing panics.
//!
//! Short on purpose; the long runs are those of `fuzz/`.

use crate::fixtures::archive;
use crate::release::Release;
use netkin::engine::{Config, Engine, Query};
use netkin::import::Limits;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;

static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = [
        ("alexnet", "ts11"),
        ("lstm_classifier", "ts17"),
        ("lstm_classifier", "trace"),
        ("mobilenet_v3_small", "bn"),
        ("gpt2", "dyn18"),
        ("gpt2", "trace"),
        ("vit_tiny_patch16_224", "shuffled"),
        ("quantised_resnet18", "qoperator"),
    ];
    let open = |(model, route): &(&str, &str)| archive(model).remove(*route).unwrap();
    files.iter().map(open).collect()
});

#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Byte(Index, u8),
    /// A piece of another file over or between the bytes of this one.
    Splice {
        file: Index,
        from: Index,
        to: Index,
        len: usize,
        over: bool,
    },
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Byte(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Splice {
                file,
                from,
                to,
                len,
                over,
            } => {
                let source = file.get(&FILES);
                let from = from.index(source.len());
                let piece = &source[from..source.len().min(from + len)];
                let to = to.index(bytes.len());
                let end = if *over { to + piece.len() } else { to };
                let end = end.min(bytes.len());
                bytes.splice(to..end, piece.iter().copied());
            }
        }
    }
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let splice = (
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
        1usize..400,
        any::<bool>(),
    );
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        8 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        4 => splice.prop_map(|(file, from, to, len, over)| Damage::Splice { file, from, to, len, over }),
    ]
}

/// Reading, canonicalising, embedding and describing.
fn describe(engine: &Engine, bytes: Vec<u8>) {
    let query = Query::Bytes { name: None, bytes };
    if let Ok(description) = engine.describe(&query) {
        serde_json::to_string(&description).unwrap();
    }
}

#[test]
fn damaged_files_are_described_or_refused() {
    let release = Release::new();
    let config = Config {
        assets_dir: release.path().to_path_buf(),
        model: String::new(),
        variant_similarity: 0.8,
        max_k: 10,
        index: netkin::index::SegmentedConfig::default(),
    };
    let state = release.path().join("state");
    let engine = Engine::open(config, Limits::default(), &state, &|_, _| {}).unwrap();
    let damages = proptest::collection::vec(any_damage(), 1..6);
    let cases = ProptestConfig::with_cases(192);
    proptest!(cases.clone(), |(file: Index, damages in damages)| {
        let mut bytes = file.get(&FILES).clone();
        for damage in &damages {
            damage.apply(&mut bytes);
        }
        describe(&engine, bytes);
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..300);
    proptest!(cases, |(start in 0usize..6, noise in noise)| {
        // Beginnings that get noise past the door.
        let starts: [&[u8]; 6] = [b"", b"{", b"\x08\x08", b"\x08\x08\x3a\xff\x01", b"\x3a\x80\x02\x0a", b"\x80\x02"];
        describe(&engine, [starts[start], &noise].concat());
    });
}
