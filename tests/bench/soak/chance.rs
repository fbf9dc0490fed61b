//! Chance that is the same for the same seed.

pub struct Chance(u64);

impl Chance {
    /// Another row of chances for each use, so that none depends on how quickly another one draws.
    pub fn new(seed: u64, r#use: &str) -> Self {
        let mixed = r#use.bytes().fold(seed ^ 0x9E37_79B9_7F4A_7C15, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self(mixed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    pub fn of<'a, T>(&mut self, some: &'a [T]) -> Option<&'a T> {
        some.get(self.below(some.len()))
    }

    /// One of these, each as often as its weight says.
    pub fn weighed<T: Copy>(&mut self, some: &[(usize, T)]) -> Option<T> {
        let mut at = self.below(some.iter().map(|(weight, _)| weight).sum());
        some.iter().find_map(|(weight, one)| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit.then_some(*one)
        })
    }
}
