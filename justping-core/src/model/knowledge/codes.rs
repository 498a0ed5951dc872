//! Vectors, and short codes of them by which the few worth comparing are found among many.

/// Most numbers of a vector.
pub const VECTOR_LEN_MAX: usize = 4_096;
/// Vectors that are compared with a question, those whose codes are nearest. Up to as many vectors
/// are all compared.
pub const CODE_CANDIDATES: usize = 256;

/// Bits of a word of a code.
const BITS: usize = u64::BITS as usize;

/// The signs of a vector, a bit each: whether a number is above the mean of them.
///
/// A code is 1/32 of its vector, and the bits in which two differ are counted in no time. The mean
/// instead of zero, because the vectors of some models lie to one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(Vec<u64>);

impl Code {
    /// The code of a vector.
    pub fn of(vector: &[f32]) -> Self {
        let mean = vector.iter().sum::<f32>() / vector.len().max(1) as f32;
        let word = |numbers: &[f32]| {
            let bits = numbers.iter().enumerate();
            bits.fold(0, |word, (at, number)| word | u64::from(*number > mean) << at)
        };
        Self(vector.chunks(BITS).map(word).collect())
    }

    /// As stores keep it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        rest.is_empty().then(|| Self(words.iter().map(|word| u64::from_le_bytes(*word)).collect()))
    }
}

/// The codes of many vectors of one length, each with the key under which its vector is found.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    /// Words of a code.
    width: usize,
    keys: Vec<i64>,
    words: Vec<u64>,
}

impl Codes {
    /// Adds a code. One of another width than the first is left out: no question of the others' model
    /// meets it.
    pub fn add(&mut self, key: i64, code: &Code) {
        if self.keys.is_empty() {
            self.width = code.0.len();
        }
        if code.0.len() == self.width && self.width > 0 {
            self.keys.push(key);
            self.words.extend_from_slice(&code.0);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.keys) + size_of_val(&*self.words)
    }

    /// The keys of the `most` codes that differ least from one, those added first if in doubt.
    pub fn nearest(&self, code: &Code, most: usize) -> Vec<i64> {
        if code.0.len() != self.width || self.width == 0 {
            return Vec::new();
        }
        if self.keys.len() <= most {
            return self.keys.clone();
        }
        let distance = |own: &[u64]| -> u32 {
            own.iter().zip(&code.0).map(|(a, b)| (a ^ b).count_ones()).sum()
        };
        let rows = self.words.chunks_exact(self.width).zip(0u32..);
        let mut rows: Vec<(u32, u32)> = rows.map(|(own, at)| (distance(own), at)).collect();
        if most < rows.len() {
            rows.select_nth_unstable(most);
            rows.truncate(most);
        }
        rows.sort_unstable();
        rows.iter().filter_map(|(_, at)| self.keys.get(*at as usize).copied()).collect()
    }
}

/// How alike two vectors are: the cosine of their angle, -1 to 1. Vectors of different lengths, and
/// those without a direction, are not alike at all: 0.
pub fn likeness(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    let dot = |x: &[f32], y: &[f32]| -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length.is_finite() && length > 0.0 { (dot(a, b) / length).clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pseudo(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn the_nearest_come_first_and_ties_by_age() {
        let mut codes = Codes::default();
        assert!(codes.nearest(&Code::of(&[1.0, 0.0]), 3).is_empty());
        for key in 0..10 {
            codes.add(key, &Code::of(&pseudo(key as u64 % 5, 128)));
        }
        assert_eq!(codes.nearest(&Code::of(&pseudo(3, 128)), 2), [3, 8]);
        assert_eq!(codes.nearest(&Code::of(&pseudo(3, 128)), 10).len(), 10);
        assert!(codes.nearest(&Code::of(&pseudo(3, 64)), 2).is_empty(), "another model's");
        codes.add(11, &Code::of(&pseudo(1, 64)));
        assert_eq!(codes.len(), 10);
    }

    #[test]
    fn what_is_alike_is_among_the_candidates() {
        let mut codes = Codes::default();
        let vectors: Vec<Vec<f32>> = (0..5_000).map(|n| pseudo(n, 256)).collect();
        vectors.iter().zip(0..).for_each(|(vector, key)| codes.add(key, &Code::of(vector)));
        let mut found = 0;
        for at in 0..50 {
            let noise = pseudo(90_000 + at, 256);
            let asked: Vec<f32> =
                vectors[at as usize * 7].iter().zip(noise).map(|(a, b)| a + b * 0.8).collect();
            let candidates = codes.nearest(&Code::of(&asked), CODE_CANDIDATES);
            found += usize::from(candidates.contains(&(at as i64 * 7)));
        }
        assert_eq!(found, 50);
    }

    #[test]
    fn likeness_is_a_cosine() {
        assert_eq!(likeness(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(likeness(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(likeness(&[1.0, 0.0], &[-1.0, 0.0]), -1.0);
        for odd in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[1.0]] {
            assert_eq!(likeness(odd, &[1.0, 0.0]), 0.0);
        }
    }

    proptest! {
        #[test]
        fn codes_are_read_as_they_were_written(vector in prop::collection::vec(any::<f32>(), 0..300)) {
            let code = Code::of(&vector);
            prop_assert_eq!(Code::from_bytes(&code.to_bytes()), Some(code));
        }

        #[test]
        fn any_bytes_are_a_code_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Code::from_bytes(&bytes).is_some(), bytes.len() % 8 == 0);
        }
    }
}
