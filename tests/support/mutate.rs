//! Damages a message at random, the same way on every run.

/// `count` damaged copies of `good`, one at a time, each with one to four small changes.
pub fn mutations(good: &[u8], count: usize, mut look: impl FnMut(&[u8])) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    for _ in 0..count {
        let mut raw = good.to_vec();
        for _ in 0..1 + next(4) {
            let at = next(raw.len());
            match next(5) {
                _ if raw.is_empty() => {}
                0 => raw[at] = next(256) as u8,
                1 => drop(raw.remove(at)),
                2 => raw.insert(at, b"\r\n \t:;()<>\"\\,@=-/?\0\xff"[next(20)]),
                3 => {
                    let end = (at + next(40)).min(raw.len());
                    let piece = raw[at..end].to_vec();
                    let to = next(raw.len());
                    raw.splice(to..to, piece);
                }
                _ => raw.truncate(at),
            }
        }
        look(&raw);
    }
}
