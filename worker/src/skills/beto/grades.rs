//! Scores that join a row's grades with what its comment says. Pure.

/// Points that a comment can move a score by, up or down.
const REACH: f64 = 8.0;
/// The scale that grades are brought to.
const FULL: f64 = 50.0;

/// What a grade is multiplied by to lie between 0 and 50, told from the highest grade of all: 5, 10, 50 and 100 are the
/// scales known. `None` where there is no grade, or one that fits no scale.
#[must_use]
pub fn scale_of(highest: f64) -> Option<f64> {
    [5.0, 10.0, 50.0, 100.0].into_iter().find(|&top| (0.0..=top).contains(&highest)).map(|top| FULL / top)
}

/// The mean of a row's grades on the scale of 0 to 50; `None` where it has none.
#[must_use]
pub fn base(grades: impl IntoIterator<Item = Option<f64>>, scale: f64) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for grade in grades.into_iter().flatten() {
        sum += grade * scale;
        count += 1;
    }
    (0 < count).then(|| sum / f64::from(count))
}

/// Score columns of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// `p_pos - p_neg`.
    pub delta: f64,
    /// Delta times confidence.
    pub signal: f64,
    /// What the comment adds to the base.
    pub points: f64,
    /// Base plus points, within 0 to 50.
    pub total: Option<f64>,
}

/// What the signal is multiplied by, so that 95 % of the rows stay within 8 points: `8 / q95(|signal|)`, 0 where no
/// row has a signal.
#[must_use]
pub fn beta(signals: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = signals.iter().map(|signal| signal.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    match quantile(&sizes, 0.95) {
        Some(q95) if 0.0 < q95 => REACH / q95,
        _ => 0.0,
    }
}

/// The signal of one verdict, from its probabilities (negative, neutral, positive) and its confidence.
#[must_use]
pub fn signal(p: [f64; 3], confidence: f64) -> f64 {
    (p[2] - p[0]) * confidence
}

/// The score columns of one row.
#[must_use]
pub fn score(p: [f64; 3], confidence: f64, base: Option<f64>, beta: f64) -> Score {
    let signal = signal(p, confidence);
    let points = (beta * signal).clamp(-REACH, REACH);
    Score { delta: p[2] - p[0], signal, points, total: base.map(|base| (base + points).clamp(0.0, FULL)) }
}

/// Linear interpolation between the closest ranks of a sorted list.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q * last as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    Some(low + (high - low) * rank.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_of_every_known_scale_reach_fifty() {
        assert_eq!(scale_of(5.0), Some(10.0));
        assert_eq!(scale_of(9.5), Some(5.0));
        assert_eq!(scale_of(47.0), Some(1.0));
        assert_eq!(scale_of(100.0), Some(0.5));
        assert_eq!(scale_of(250.0), None);
        assert_eq!(scale_of(f64::NAN), None);
    }

    #[test]
    fn base_is_the_mean_of_the_grades_that_are_there() {
        assert_eq!(base([Some(4.0), None, Some(5.0)], 10.0), Some(45.0));
        assert_eq!(base([None, None], 10.0), None);
    }

    #[test]
    fn beta_puts_the_95th_percentile_at_eight_points() {
        let signals: Vec<f64> = (0..=100).map(|i| -f64::from(i) / 100.0).collect();

        assert!((beta(&signals) - 8.0 / 0.95).abs() < 1e-12);
        assert_eq!(beta(&[0.0, 0.0]), 0.0);
        assert_eq!(beta(&[]), 0.0);
    }

    #[test]
    fn points_and_totals_stay_in_their_bounds() {
        let glad = score([0.0, 0.1, 0.9], 0.9, Some(48.0), 20.0);
        let cross = score([0.9, 0.1, 0.0], 0.9, Some(3.0), 20.0);

        assert_eq!((glad.points, glad.total), (8.0, Some(50.0)));
        assert_eq!((cross.points, cross.total), (-8.0, Some(0.0)));
        assert_eq!(score([0.1, 0.2, 0.7], 0.7, None, 1.0).total, None);
    }

    #[test]
    fn points_follow_the_formula_inside_the_bounds() {
        let score = score([0.1, 0.2, 0.7], 0.7, Some(30.0), 10.0);

        assert!((score.delta - 0.6).abs() < 1e-12);
        assert!((score.signal - 0.42).abs() < 1e-12);
        assert!((score.points - 4.2).abs() < 1e-12);
        assert!((score.total.unwrap() - 34.2).abs() < 1e-12);
    }
}
