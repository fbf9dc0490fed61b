//! libFuzzer's entry: gives each input to the target that AIRUT_FUZZ names.
#![no_main]

mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("AIRUT_FUZZ").unwrap_or_default();
    let found = targets::ALL.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("AIRUT_FUZZ={name:?} is no target")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (*TARGET)(data));
