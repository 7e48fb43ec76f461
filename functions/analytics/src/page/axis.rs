//! The axis of values: where it starts and ends, at round numbers, and in which unit its ticks are written.

/// An axis from `low` to `high`, in `unit`s.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueAxis {
    /// The lowest tick, in units: 0, or below it if values are.
    pub(super) low: f64,
    /// The highest tick, in units.
    pub(super) high: f64,
    /// How many intervals there are between them.
    pub(super) intervals: usize,
    /// What one unit is worth.
    pub(super) unit: f64,
    /// What is written behind a tick.
    pub(super) suffix: &'static str,
}

/// About as many intervals as a chart has.
const WANTED: f64 = 5.0;

/// Ticks are written with one decimal at most.
const SMALLEST_STEP: f64 = 0.1;

impl ValueAxis {
    /// The axis that holds the values and 0. Bars and areas lie when they start elsewhere, so 0 is always on it.
    pub(super) fn over(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(0.0, f64::min);
        let high = values.clone().fold(0.0, f64::max);
        let (unit, suffix) = match high.max(-low) {
            // The library writes 20k and 5M itself, but G for what people call a billion.
            largest if largest >= 1e9 => (1e9, "B"),
            _ => (1.0, ""),
        };
        // No tick between whole numbers where there is nothing between them to count.
        let whole = unit == 1.0 && values.clone().all(|value| value.fract() == 0.0);
        let smallest = if whole { 1.0 } else { SMALLEST_STEP };
        let (low, high) = (low / unit, high / unit);
        let step = round_up((high - low) / WANTED).max(smallest);
        let first = (low / step).floor();
        let last = (high / step).ceil().max(first + 1.0);
        Self {
            low: first * step,
            high: last * step,
            intervals: (last - first) as usize,
            unit,
            suffix,
        }
    }

    /// Where a value stands between the axis' ends: 0 at the lowest tick, 1 at the highest.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value / self.unit - self.low) / (self.high - self.low)
    }
}

/// The next of 1, 2, 5, 10, 20, 50, … (and of 0.5, 0.2, 0.1, …).
fn round_up(step: f64) -> f64 {
    if step <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    let fit = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
    // Dividing and multiplying may miss by a hair.
    fit.into_iter().find(|fit| *fit >= step * (1.0 - 1e-9)).unwrap_or(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64]) -> (f64, f64, usize, &'static str) {
        let axis = ValueAxis::over(values.iter().copied());
        (axis.low, axis.high, axis.intervals, axis.suffix)
    }

    #[test]
    fn an_axis_holds_zero_and_all_values_between_round_ticks() {
        for (values, expected) in [
            (vec![], (0.0, 1.0, 1, "")),
            (vec![0.0], (0.0, 1.0, 1, "")),
            (vec![3.0, 1.0], (0.0, 3.0, 3, "")),
            (vec![34.0, 12.0], (0.0, 40.0, 4, "")),
            (vec![9_000.0], (0.0, 10_000.0, 5, "")),
            (vec![57_000.0, 132_000.0], (0.0, 150_000.0, 3, "")),
            (vec![12_300_000.0], (0.0, 15_000_000.0, 3, "")),
            (vec![2.4e9], (0.0, 2.5, 5, "B")),
            (vec![2.5], (0.0, 2.5, 5, "")),
            (vec![-4.0, 4.0], (-4.0, 4.0, 4, "")),
        ] {
            assert_eq!(axis(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_place_is_between_the_ends() {
        let axis = ValueAxis::over([0.0, 132_000.0].into_iter());
        assert!((axis.place(75_000.0) - 0.5).abs() < 1e-9);
        assert!(axis.place(0.0).abs() < 1e-9);
    }
}
