//! Shows a class on output pins, without a screen.

use embedded_hal::digital::{OutputPin, PinState};

/// Shows a class in binary on `N` pins; the first pin is the lowest bit.
#[derive(Debug)]
pub struct BinaryIndicator<P, const N: usize> {
    pins: [P; N],
}

/// Why a class is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The class has more bits than there are pins.
    TooFewPins {
        /// Pins that the class needs.
        needed: u32,
        /// Pins of the indicator.
        had: usize,
    },
    /// A pin failed.
    Pin(E),
}

impl<P: OutputPin, const N: usize> BinaryIndicator<P, N> {
    /// Uses these pins; they keep their state until [`show`](Self::show) is called.
    pub const fn new(pins: [P; N]) -> Self {
        Self { pins }
    }

    /// Sets every pin to its bit of `class`.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewPins`] if the class has more bits than there are pins. Then no pin changes, because a part of the
    /// bits would show another class. [`Error::Pin`] if a pin fails.
    pub fn show(&mut self, class: usize) -> Result<(), Error<P::Error>> {
        let needed = usize::BITS - class.leading_zeros();
        if N < needed as usize {
            return Err(Error::TooFewPins { needed, had: N });
        }
        let mut bits = class;
        for pin in &mut self.pins {
            pin.set_state(PinState::from(bits & 1 == 1)).map_err(Error::Pin)?;
            bits >>= 1;
        }
        Ok(())
    }

    /// Returns the pins.
    pub fn release(self) -> [P; N] {
        self.pins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    fn pins(states: [State; 4]) -> [Mock; 4] {
        states.map(|state| Mock::new(&[Transaction::set(state)]))
    }

    #[test]
    fn the_first_pin_is_the_lowest_bit() {
        use State::{High, Low};
        for (class, states) in [
            (0, [Low, Low, Low, Low]),
            (5, [High, Low, High, Low]),
            (8, [Low, Low, Low, High]),
            (15, [High, High, High, High]),
        ] {
            let mut indicator = BinaryIndicator::new(pins(states));
            assert!(indicator.show(class).is_ok());
            indicator.release().iter_mut().for_each(Mock::done);
        }
    }

    #[test]
    fn a_class_with_too_many_bits_touches_no_pin() {
        let mut indicator = BinaryIndicator::new([Mock::new(&[]), Mock::new(&[])]);
        assert_eq!(indicator.show(4), Err(Error::TooFewPins { needed: 3, had: 2 }));
        indicator.release().iter_mut().for_each(Mock::done);
    }
}
