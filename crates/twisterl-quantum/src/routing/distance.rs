//! Distances between the qubits of gates: a bound on the number of SWAPs, and rewards for coming nearer.

use super::Routing;

impl Routing {
    /// Returns the gates of the front layer, by the qubits of the map.
    pub(super) fn front(&self) -> impl Iterator<Item = [u8; 2]> + '_ {
        let qubits = (0..=u8::MAX).take(self.problem().qubits);
        qubits.filter_map(|qubit| {
            let index = self.circuit.ready(&self.places, qubit)?;
            let gate = self.circuit.gate(index);
            (gate[0] == qubit).then(|| gate.map(|qubit| self.layout[usize::from(qubit)]))
        })
    }

    /// Returns a lower bound on the number of SWAPs: a SWAP takes two qubits of different gates of the front layer one step
    /// nearer to their partners at best.
    pub(super) fn least_swaps(&self) -> u32 {
        let steps = self.front().map(|[a, b]| u32::from(self.problem().distance(a, b)) - 1);
        let (sum, greatest) =
            steps.fold((0, 0), |(sum, greatest), steps| (sum + steps, steps.max(greatest)));
        u32::max(greatest, sum.div_ceil(2))
    }

    /// Returns `distance_reward` for each step that the qubits of a gate are apart, of all layers that an observation shows: for
    /// each layer half as much as for the one before. What it loses is a reward, and all of it is lost at the end of a solved
    /// episode. So it changes no return but by a constant (Ng, Harada and Russell 1999, "Policy invariance under reward
    /// transformations").
    pub(super) fn shaping(&self) -> f32 {
        let params = &self.problem().params;
        if params.distance_reward == 0.0 {
            return 0.0;
        }
        let mut steps = 0.0;
        self.circuit.layers(&self.places, params.num_layers, |layer, index| {
            let [a, b] = self.circuit.gate(index).map(|qubit| self.layout[usize::from(qubit)]);
            steps += f32::from(self.problem().distance(a, b) - 1) / f32::exp2(layer as f32);
        });
        params.distance_reward as f32 * steps
    }
}
