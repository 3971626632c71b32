//! Chance, written out: a seed comes in, the same numbers come out on any machine.
//!
//! SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, 2014): one word of
//! state and three multiplications a draw. A word of state is what makes [`Rng::new`] free, and the
//! templates use that: a name that comes back is a generator started again from the same small seed.
//!
//! Nothing here uses floating point. Powers and logarithms differ in the last bit from one C library to the
//! next, and one bit is enough to make two machines write different events.

/// A pseudorandom generator of 64-bit words.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that always gives the same numbers for the same `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to `n` − 1 (0 when `n` is 0). The bias is below 2⁻³² · `n`.
    pub const fn below(&mut self, n: u32) -> u32 {
        (((self.draw() >> 32) * n as u64) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True `per_mille` times in a thousand.
    pub const fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }
}

/// Spreads the bits of `x` over the whole word: SplitMix64's finalizer.
pub const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a, to turn the name of a thing into a salt.
pub const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x100_0000_01b3);
        i += 1;
    }
    hash
}

/// A choice among weighted things in constant time: Vose's alias method, in whole numbers.
#[derive(Clone, Debug, Default)]
pub struct Weighted {
    /// For each slot: how much of it, in 2⁻³², is its own, and whose the rest is.
    slots: Vec<(u64, u32)>,
}

impl Weighted {
    /// Thing `i` is picked in proportion to `weights[i]`. Weights may be as large as 2⁴⁰.
    pub fn new(weights: &[u64]) -> Self {
        let n = weights.len() as u128;
        let total = weights.iter().map(|&w| u128::from(w)).sum::<u128>().max(1);
        let mut rest: Vec<u128> = weights.iter().map(|&w| u128::from(w) * n).collect();
        let mut slots: Vec<(u64, u32)> = (0..weights.len()).map(|i| (1 << 32, i as u32)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..rest.len()).partition(|&i| rest[i] < total);
        while let (Some(s), Some(&l)) = (small.pop(), large.last()) {
            slots[s] = (((rest[s] << 32) / total) as u64, l as u32);
            rest[l] -= total - rest[s];
            if rest[l] < total {
                large.pop();
                small.push(l);
            }
        }
        Self { slots }
    }

    /// Zipf's law over `n` ranks: the thing at rank `r` weighs 1 / (`r` + 8). The eight flattens the head,
    /// so that the busiest of several thousand principals makes some 2 % of the events, not 12 %.
    pub fn zipf(n: usize) -> Self {
        let weights: Vec<u64> = (0..n as u64).map(|rank| (1 << 32) / (rank + 8)).collect();
        Self::new(&weights)
    }

    /// The index of the thing picked (0 when there is none).
    pub fn pick(&self, rng: &mut Rng) -> usize {
        let draw = rng.draw();
        let at = (((draw >> 32) * self.slots.len() as u64) >> 32) as usize;
        match self.slots.get(at) {
            Some(&(own, other)) if draw & 0xffff_ffff >= own => other as usize,
            _ => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_draws_are_those_of_the_reference() {
        let mut rng = Rng::new(1_234_567);
        let draws: Vec<u64> = (0..3).map(|_| rng.draw()).collect();
        assert_eq!(draws, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn weights_are_kept() {
        let weighted = Weighted::new(&[1, 0, 7, 2]);
        let mut rng = Rng::new(7);
        let mut seen = [0_u32; 4];
        (0..100_000).for_each(|_| seen[weighted.pick(&mut rng)] += 1);
        assert_eq!(seen[1], 0);
        for (got, want) in seen.into_iter().zip([10_000_u32, 0, 70_000, 20_000]) {
            assert!(got.abs_diff(want) < 700, "{seen:?}");
        }
    }

    #[test]
    fn one_or_no_thing_can_be_picked_from() {
        let mut rng = Rng::new(7);
        assert_eq!(Weighted::new(&[3]).pick(&mut rng), 0);
        assert_eq!(Weighted::new(&[]).pick(&mut rng), 0);
    }
}
