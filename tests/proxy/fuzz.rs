//! The promises the fuzzer tries to break, over its corpus, which holds every input that once broke one.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use crate::support::mutate::mutations;
use std::fs;
use std::path::Path;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn what_the_fuzzer_found_stays_mended() {
    for (name, target) in targets::ALL {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name}");
        for input in corpus {
            target(&input);
            mutations(&input, 20, target);
        }
    }
}
