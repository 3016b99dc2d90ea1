//! Gates: a kind and its qubits.

use std::fmt::{self, Display, Formatter};

/// The kind of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The Hadamard gate.
    H,
    /// The phase gate.
    S,
    /// The inverse of the phase gate, which acts as [`S`](Self::S) up to Paulis.
    Sdg,
    /// The square root of X.
    Sx,
    /// The inverse of the square root of X, which acts as [`Sx`](Self::Sx) up to Paulis.
    Sxdg,
    /// The controlled X gate: control, target.
    Cx,
    /// The controlled Z gate.
    Cz,
    /// The exchange of two qubits.
    Swap,
    /// The controlled Y gate: control, target.
    Cy,
    /// X on the second qubit, controlled by X on the first.
    Xcx,
    /// Y on the second qubit, controlled by X on the first.
    Xcy,
    /// Y on the second qubit, controlled by Y on the first.
    Ycy,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::H,
        Self::S,
        Self::Sdg,
        Self::Sx,
        Self::Sxdg,
        Self::Cx,
        Self::Cz,
        Self::Swap,
        Self::Cy,
        Self::Xcx,
        Self::Xcy,
        Self::Ycy,
    ];

    /// The kinds of gates on one qubit, CX, CZ and SWAP.
    pub const BASIC: [Self; 8] =
        [Self::H, Self::S, Self::Sdg, Self::Sx, Self::Sxdg, Self::Cx, Self::Cz, Self::Swap];

    /// The kinds that are CX between bases of the two qubits. In both orders, there are nine gates on two qubits.
    pub const COUPLINGS: [Self; 6] =
        [Self::Cx, Self::Cy, Self::Cz, Self::Xcx, Self::Xcy, Self::Ycy];

    /// Returns the name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H => "H",
            Self::S => "S",
            Self::Sdg => "Sdg",
            Self::Sx => "SX",
            Self::Sxdg => "SXdg",
            Self::Cx => "CX",
            Self::Cz => "CZ",
            Self::Swap => "SWAP",
            Self::Cy => "CY",
            Self::Xcx => "XCX",
            Self::Xcy => "XCY",
            Self::Ycy => "YCY",
        }
    }

    /// Returns the kind of a name in any case, `None` if there is none.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name.trim()))
    }

    /// Returns the number of qubits, 1 or 2.
    pub const fn qubits(self) -> usize {
        match self {
            Self::H | Self::S | Self::Sdg | Self::Sx | Self::Sxdg => 1,
            _ => 2,
        }
    }

    /// Returns true if the gate changes on how many qubits Paulis act.
    pub(crate) fn spreads(self) -> bool {
        Self::COUPLINGS.contains(&self)
    }

    /// Returns the kind that stands for all kinds of the same effect up to Paulis: S for Sdg, SX for SXdg.
    pub const fn effect(self) -> Self {
        match self {
            Self::Sdg => Self::S,
            Self::Sxdg => Self::Sx,
            other => other,
        }
    }

    /// Returns true if the gate is unchanged when its qubits change places.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Cz | Self::Swap | Self::Xcx | Self::Ycy)
    }

    /// Returns the kind after X and Z change places (and control and target of CX).
    pub const fn dual(self) -> Self {
        match self {
            Self::S => Self::Sx,
            Self::Sdg => Self::Sxdg,
            Self::Sx => Self::S,
            Self::Sxdg => Self::Sdg,
            Self::Cz => Self::Xcx,
            Self::Xcx => Self::Cz,
            Self::Cy => Self::Xcy,
            Self::Xcy => Self::Cy,
            other => other,
        }
    }
}

/// A gate on one qubit or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate {
    /// The kind.
    pub kind: Kind,
    /// The first qubit, the control of CX.
    pub first: u8,
    /// The second qubit; the first one again if there is none.
    pub second: u8,
}

impl Gate {
    /// Returns a gate of [`Kind::COUPLINGS`] as CX between gates on one qubit, with the signs of Paulis, too.
    pub(crate) fn parts(self) -> Vec<Self> {
        /// A gate on one qubit, true for the second one.
        type One = (Kind, bool);
        let (before, after): (&[One], &[One]) = match self.kind {
            Kind::Cy => (&[(Kind::Sdg, true)], &[(Kind::S, true)]),
            Kind::Cz => (&[(Kind::H, true)], &[(Kind::H, true)]),
            Kind::Xcx => (&[(Kind::H, false)], &[(Kind::H, false)]),
            Kind::Xcy => {
                (&[(Kind::H, false), (Kind::Sdg, true)], &[(Kind::S, true), (Kind::H, false)])
            }
            Kind::Ycy => {
                (&[(Kind::Sx, false), (Kind::Sdg, true)], &[(Kind::S, true), (Kind::Sxdg, false)])
            }
            _ => (&[], &[]),
        };
        let one = |&(kind, on_second): &One| {
            let qubit = if on_second { self.second } else { self.first };
            Self { kind, first: qubit, second: qubit }
        };
        let cx = Self { kind: Kind::Cx, ..self };
        before.iter().map(one).chain([cx]).chain(after.iter().map(one)).collect()
    }

    /// Returns true if the gates are the same.
    pub fn is(self, other: Self) -> bool {
        let turned = Self { first: other.second, second: other.first, ..other };
        self == other || (self.kind.is_symmetric() && self == turned)
    }

    /// Returns the qubits of a gate on two qubits.
    pub fn edge(self) -> Option<(usize, usize)> {
        (self.kind.qubits() == 2).then_some((self.first.into(), self.second.into()))
    }
}

impl Display for Gate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name().to_ascii_lowercase(), self.first)?;
        match self.edge() {
            Some((_, second)) => write!(f, " {second}"),
            None => Ok(()),
        }
    }
}
