//! A logarithmic axis.

/// Maps values from `low` to `high` onto the positions from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub struct LogAxis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl LogAxis {
    /// From the least to the greatest of `values`, which are above zero. `None` without any.
    pub fn exactly(values: &[f64], start: f64, end: f64) -> Option<LogAxis> {
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        let (low, high) = (positive().reduce(f64::min)?, positive().reduce(f64::max)?);
        Some(LogAxis { low, high, start, end })
    }

    /// Whole decades around `values`.
    pub fn decades(values: &[f64], start: f64, end: f64) -> Option<LogAxis> {
        let exact = LogAxis::exactly(values, start, end)?;
        let low = 10f64.powf(exact.low.log10().floor());
        let high = 10f64.powf(exact.high.log10().ceil()).max(low * 10.0);
        Some(LogAxis { low, high, start, end })
    }

    pub fn position(&self, value: f64) -> f64 {
        if self.low == self.high {
            return (self.start + self.end) / 2.0;
        }
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// The powers of ten on it.
    pub fn ticks(&self) -> Vec<f64> {
        let first = self.low.log10().round() as i32;
        let last = self.high.log10().round() as i32;
        (first..=last).map(|exponent| 10f64.powi(exponent)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_the_powers_of_ten_around_the_values() {
        let ticks = |values: &[f64]| LogAxis::decades(values, 0.0, 1.0).unwrap().ticks();
        assert_eq!(ticks(&[3.0, 250.0, 0.0]), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(&[1000.0]), [1000.0, 10_000.0]);
        assert_eq!(ticks(&[0.2, 9.0]), [0.1, 1.0, 10.0]);
        assert!(LogAxis::decades(&[0.0], 0.0, 1.0).is_none());
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = LogAxis::decades(&[1.0, 10_000.0], 100.0, 0.0).unwrap();
        assert_eq!([1.0, 100.0, 10_000.0].map(|value| axis.position(value)), [100.0, 50.0, 0.0]);
        assert_eq!(LogAxis::exactly(&[8.0, 8.0], 0.0, 10.0).unwrap().position(8.0), 5.0);
    }
}
