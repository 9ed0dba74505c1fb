//! What a ranking is worth. Each function takes the grades of the ranked candidates, best first.
//!
//! A candidate is relevant from [`RELEVANT`] on. Average precision is divided by
//! `min(k, relevant)`, and the ideal of NDCG is cut at `k`, so that a perfect ranking earns 1.

/// Graded relevance: 3 same model at another scale, 2 same family, 1 same coarse family, 0 none.
pub type Grade = u8;

/// The least grade that counts as relevant where relevance is yes or no.
pub const RELEVANT: Grade = 2;

/// One over the rank of the first relevant candidate among the first `k`; 0 without one.
pub fn reciprocal_rank(grades: &[Grade], k: usize) -> f64 {
    grades
        .iter()
        .take(k)
        .position(|grade| *grade >= RELEVANT)
        .map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
}

/// Mean of the precision at each relevant rank among the first `k`.
pub fn average_precision(grades: &[Grade], k: usize) -> f64 {
    let relevant = count_relevant(grades).min(k);
    if relevant == 0 {
        return 0.0;
    }
    let mut found = 0;
    let mut sum = 0.0;
    for (rank, grade) in grades.iter().take(k).enumerate() {
        if *grade >= RELEVANT {
            found += 1;
            sum += f64::from(found) / (rank + 1) as f64;
        }
    }
    sum / relevant as f64
}

/// Discounted gain of the first `k`, as a share of the best possible.
pub fn ndcg(grades: &[Grade], k: usize) -> f64 {
    let mut ideal = grades.to_vec();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best = discounted_gain(&ideal, k);
    if best == 0.0 {
        return 0.0;
    }
    discounted_gain(grades, k) / best
}

fn discounted_gain(grades: &[Grade], k: usize) -> f64 {
    grades
        .iter()
        .take(k)
        .enumerate()
        .map(|(rank, grade)| f64::from((1u32 << (*grade).min(31)) - 1) / ((rank + 2) as f64).log2())
        .sum()
}

/// Share of the relevant candidates that are among the first `k`.
pub fn recall(grades: &[Grade], k: usize) -> f64 {
    let relevant = count_relevant(grades);
    if relevant == 0 {
        return 0.0;
    }
    count_relevant(&grades[..k.min(grades.len())]) as f64 / relevant as f64
}

fn count_relevant(grades: &[Grade]) -> usize {
    grades.iter().filter(|grade| **grade >= RELEVANT).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-12, "{one} is not {other}");
    }

    #[test]
    fn reciprocal_rank_by_hand() {
        near(reciprocal_rank(&[0, 1, 2, 3], 20), 1.0 / 3.0);
        near(reciprocal_rank(&[0, 1, 2, 3], 2), 0.0);
        near(reciprocal_rank(&[], 20), 0.0);
    }

    #[test]
    fn average_precision_by_hand() {
        // Relevant at ranks 1, 3 and 5 of 5: (1/1 + 2/3 + 3/5) / 3.
        near(
            average_precision(&[2, 0, 3, 1, 2], 20),
            (1.0 + 2.0 / 3.0 + 0.6) / 3.0,
        );
        // At 3 only two are seen, and three would fit: (1/1 + 2/3) / 3.
        near(
            average_precision(&[2, 0, 3, 1, 2], 3),
            (1.0 + 2.0 / 3.0) / 3.0,
        );
        // More relevant than ranks: a perfect top 2 of 4 relevant is worth 1, not a half.
        near(average_precision(&[2, 2, 2, 2], 2), 1.0);
    }

    #[test]
    fn ndcg_by_hand() {
        // Gains 2^g - 1: 3 then 0 then 7, discounts 1, 1/log2(3), 1/2; ideal 7, 3, 0.
        let found = 3.0 + 7.0 / 2.0;
        let ideal = 7.0 + 3.0 / 3f64.log2();
        near(ndcg(&[2, 0, 3], 20), found / ideal);
        // At 1 the ideal is the single best grade.
        near(ndcg(&[2, 0, 3], 1), 3.0 / 7.0);
        near(ndcg(&[3, 2, 1, 0], 2), 1.0);
        near(ndcg(&[0, 0], 20), 0.0);
    }

    #[test]
    fn recall_by_hand() {
        near(recall(&[2, 0, 3, 1, 2], 3), 2.0 / 3.0);
        near(recall(&[0, 1], 1), 0.0);
    }
}
