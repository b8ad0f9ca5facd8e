"""Glucose and insulin of people with type 1 diabetes, thousands at a time: the UVA/Padova model.

Dalla Man, Rizza, Cobelli (2007), "Meal Simulation Model of the Glucose-Insulin System", for meals, glucose and insulin
action; Dalla Man, Raimondo, Rizza, Cobelli (2007), "GIM, Simulation Software of Meal Glucose-Insulin Model"; Dalla Man
et al. (2014), "The UVA/PADOVA Type 1 Diabetes Simulator: New Features", for insulin under the skin and the sensor.

    Q1' = -kmax Q1,   Q2' = kmax Q1 - k(Q) Q2,   Q3' = k(Q) Q2 - kabs Q3,   Ra = f kabs Q3 / BW     stomach, gut [mg]
    k(Q) = kmin + (kmax - kmin) / 2 (tanh(5 (Q - b D) / (2 D (1 - b))) - tanh(5 (Q - d D) / (2 D d)) + 2),  Q = Q1 + Q2
    S1' = u - (kd + ka1) S1,   S2' = kd S1 - ka2 S2                               insulin under the skin [pmol/kg]
    Il' = m2 Ip - (m1 + m30) Il,   Ip' = m1 Il - (m2 + m4) Ip + ka1 S1 + ka2 S2   in liver and plasma; I = Ip / Vi
    X' = p2u (I - Ib - X),   L1' = ki (I - L1),   L2' = ki (L1 - L2)              its action, the delayed signal
    Gp' = max(kp1 - kp2 Gp - kp3 L2, 0) + Ra - Fsnc - max(ke1 (Gp - ke2), 0) - k1 Gp + k2 Gt        [mg/kg]
    Gt' = k1 Gp - k2 Gt - (Vm0 + Vmx X) Gt / (Km0 + Gt)
    Gs' = ksc (Gp - Gs),   glucose = Gp / Vg,   what a sensor sees = Gs / Vg                        [mg/dL]

A meal and a bolus enter Q1 and S1 at once; D is what the stomach held just after the last meal. The 2014 model adds
glucagon and more uptake in hypoglycaemia, for which no patients' numbers are published; they are left out.

Insulin is linear in its doses, so its seven numbers, as deviations from their steady state, go through exact matrix
exponentials, as do Q1, Q3 and Gs. Half a minute at a time, Q2 takes Kutta's steps of third order and Gp and Gt midpoint
steps. Against an adaptive solver the glucose is off by a few hundredths of a mg/dL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

MINUTES = 5
"""Between two readings of a sensor, two decisions to dose, and two moments at which meals can begin."""
PARTS = 10
"""Steps of the solver in that time."""
H = MINUTES / PARTS
PMOL = 6000.0
"""Picomol of insulin in a unit."""
INSULIN = 7
FREE = (
    "BW", "EGPb", "Gb", "Ib", "kabs", "kmax", "kmin", "b", "d", "Vg", "Vi", "Vmx", "Km0", "k1", "k2", "p2u",
    "m1", "CL", "ki", "kp2", "kp3", "kd", "ksc", "ka1", "ka2",
)  # fmt: skip
"""Numbers that make a patient; all others follow from them and the steady state."""
F, FSNC, KE1, KE2, HEB = 0.9, 1.0, 0.0005, 339.0, 0.6
"""The same for everybody, in all published patients."""


class Lives(NamedTuple):
    """What happened to n patients in time steps of ``MINUTES``."""

    glucose: Tensor
    """[steps, n] mg/dL in plasma at the start of each step, before its meal and dose."""
    sensor: Tensor
    """[steps, n] mg/dL, with the sensor's delay and noise, from 40 to 400."""
    carbs: Tensor
    """[steps, n] g eaten."""
    insulin: Tensor
    """[steps, n] U of boluses."""


Act = Callable[[int, Tensor], tuple[Tensor, Tensor]]
"""(step, sensor [n] mg/dL) -> what is eaten [n] g and given as a bolus [n] U at that step."""


def complete(free: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every number of patients with ``FREE`` numbers [n], in float64: those of the steady state are derived."""
    p = {name: free[name].double() for name in FREE}
    p["m2"] = 0.6 * p["CL"] / (HEB * p["Vi"] * p["BW"])
    p["m4"] = 0.4 * p["CL"] / (p["Vi"] * p["BW"])
    p["m30"] = HEB * p["m1"] / (1 - HEB)
    p["Gpb"] = p["Gb"] * p["Vg"]
    p["Gtb"] = (FSNC - p["EGPb"] + p["k1"] * p["Gpb"]) / p["k2"]
    p["kp1"] = p["EGPb"] + p["kp2"] * p["Gpb"] + p["kp3"] * p["Ib"]
    p["Vm0"] = (p["EGPb"] - FSNC) * (p["Km0"] + p["Gtb"]) / p["Gtb"]
    plasma = p["Ib"] * p["Vi"]
    p["basal"] = (p["m2"] + p["m4"]) * plasma - p["m1"] * p["m2"] * plasma / (p["m1"] + p["m30"])
    """pmol/kg/min that hold the steady state."""
    p["basal_rate"] = p["basal"] * p["BW"] * 60 / PMOL
    """The same in U/h."""
    return p


def simulate(patients: Mapping[str, Tensor], noise: Tensor, act: Act, basal: Tensor | None = None) -> Lives:
    """Lives of n ``patients`` (of ``complete``) who start in their steady state, in the precision of ``noise``.

    ``noise`` [steps, n] mg/dL is the sensor's; ``act`` decides after each reading what is eaten and given. ``basal``
    [n] is the rate as a share of the one that holds the steady state.
    """
    steps, n = noise.shape
    p = {name: value.to(noise.dtype) for name, value in patients.items()}
    spread, held = _transition(patients, noise.dtype)
    push = 0.0 if basal is None else held * ((basal - 1) * p["basal"])
    per_unit = PMOL / p["BW"]
    body = _Body(p)
    insulin = noise.new_zeros(INSULIN, n)
    lives = Lives(*(noise.new_zeros(steps, n) for _ in Lives._fields))
    product = torch.empty_like(spread)
    for step in range(steps):
        torch.div(body.plasma, p["Vg"], out=lives.glucose[step])
        torch.div(body.skin, p["Vg"], out=lives.sensor[step]).add_(noise[step]).clamp_(40, 400)
        lives.carbs[step], lives.insulin[step] = act(step, lives.sensor[step])
        insulin[0].addcmul_(lives.insulin[step], per_unit)
        body.eat(lives.carbs[step])
        ahead = torch.mul(spread, insulin, out=product).sum(1).add_(push)
        signal = torch.cat([insulin[4::2].unsqueeze(0), ahead.unflatten(0, (PARTS, INSULIN))[:, 4::2]])
        middle = (signal[1:] + signal[:-1]).div_(2)
        for part in range(PARTS):
            body.advance(signal[part], middle[part])
        insulin = ahead[-INSULIN:].clone()
    return lives


def _transition(patients: Mapping[str, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """[PARTS * 7, 7, n]: insulin after each part of a step from insulin now; [.., n]: from a steady 1 pmol/kg/min."""
    p = patients
    a = p["BW"].new_zeros(len(p["BW"]), INSULIN + 1, INSULIN + 1, dtype=torch.float64)
    skin, second, plasma, liver, action, first, late, steady = range(INSULIN + 1)
    a[:, skin, skin], a[:, skin, steady] = -(p["kd"] + p["ka1"]), 1.0
    a[:, second, skin], a[:, second, second] = p["kd"], -p["ka2"]
    a[:, plasma, skin], a[:, plasma, second] = p["ka1"], p["ka2"]
    a[:, plasma, plasma], a[:, plasma, liver] = -(p["m2"] + p["m4"]), p["m1"]
    a[:, liver, plasma], a[:, liver, liver] = p["m2"], -(p["m1"] + p["m30"])
    a[:, action, plasma], a[:, action, action] = p["p2u"] / p["Vi"], -p["p2u"]
    a[:, first, plasma], a[:, first, first] = p["ki"] / p["Vi"], -p["ki"]
    a[:, late, first], a[:, late, late] = p["ki"], -p["ki"]
    one = torch.linalg.matrix_exp(a * H)
    powers = [one]
    for _ in range(PARTS - 1):
        powers.append(powers[-1] @ one)
    rows = torch.cat([power[:, :INSULIN] for power in powers], 1).to(dtype).permute(1, 2, 0).contiguous()
    return rows[:, :INSULIN].contiguous(), rows[:, INSULIN].contiguous()


class _Body:
    """Stomach, gut, glucose and the sensor's place under the skin of n patients; advances in place."""

    def __init__(self, p: Mapping[str, Tensor]) -> None:
        self.p, zeros = p, torch.zeros_like(p["BW"])
        self.solid, self.liquid, self.gut = zeros.clone(), zeros.clone(), zeros.clone()
        self.plasma, self.tissue, self.skin = p["Gpb"].clone(), p["Gtb"].clone(), p["Gpb"].clone()
        self.slope = torch.stack([2.5 / (1 - p["b"]), 2.5 / p["d"]])
        self.centre = torch.stack([p["b"], p["d"]]) * self.slope
        self.sharp, self.span = zeros.expand(2, -1).clone(), H * (p["kmax"] - p["kmin"]) / 2
        self.ground = H * p["kmin"] + 2 * self.span
        self.stays, self.half = (-p["kmax"] * H).exp(), (-p["kmax"] * H / 2).exp()
        self.gut_stays = (-p["kabs"] * H).exp()
        self.gut_fills = (1 - self.gut_stays) / (H * p["kabs"])
        self.follows = 1 - (-p["ksc"] * H).exp()
        self.absorbed = F / (H * p["BW"])
        self.fast = torch.stack([p["Vmx"], p["kp3"]])
        self.constant = torch.stack([p["Vm0"], -p["kp1"]])
        self.ib = torch.stack([torch.zeros_like(p["Ib"]), p["Ib"]])

    def eat(self, carbs: Tensor) -> None:
        """``carbs`` [n] g, at once; D is renewed for those who eat."""
        if not bool(carbs.any()):
            return
        eats = carbs > 0
        self.solid.add_(carbs, alpha=1000)
        self.sharp = torch.where(eats, self.slope / (self.solid + self.liquid).clamp(min=1), self.sharp)

    def advance(self, start: Tensor, middle: Tensor) -> None:
        """One part of a step with the action and the delayed signal of insulin [2, n] at its start and its middle."""
        appears = self._gut().add_(-FSNC)
        plasma, tissue = self.plasma, self.tissue
        rise, fill = self._rates(plasma, tissue, start, appears)
        half_plasma, half_tissue = plasma.add(rise, alpha=H / 2), tissue.add(fill, alpha=H / 2)
        rise, fill = self._rates(half_plasma, half_tissue, middle, appears)
        plasma.add_(rise, alpha=H)
        tissue.add_(fill, alpha=H)
        self.skin.add_(half_plasma.sub_(self.skin).mul_(self.follows))

    def _gut(self) -> Tensor:
        """[n] Ra, mg/kg/min: what leaves the gut in this part."""
        solid, liquid, ends = self.solid, self.liquid, self.solid * self.stays
        half_solid = solid * self.half
        first = self._leaving(solid, liquid)
        middle = self._leaving(half_solid, (solid - half_solid).add_(liquid).sub_(first, alpha=0.5))
        arrives = (solid - ends).add_(liquid)
        last = self._leaving(ends, (arrives + first).sub_(middle, alpha=2))
        leaves = first.add_(middle, alpha=4).add_(last).div_(6)
        torch.sub(arrives, leaves, out=liquid)
        solid.copy_(ends)
        before = self.gut + leaves
        self.gut.mul_(self.gut_stays).addcmul_(leaves, self.gut_fills)
        return before.sub_(self.gut).mul_(self.absorbed)

    def _leaving(self, solid: Tensor, liquid: Tensor) -> Tensor:
        """[n] mg that would leave the stomach in this part at the rate k(Q) Q2 of one moment."""
        bend = (self.sharp * (solid + liquid)).sub_(self.centre).tanh_()
        return bend[0].sub_(bend[1]).mul_(self.span).add_(self.ground).mul_(liquid)

    def _rates(self, plasma: Tensor, tissue: Tensor, insulin: Tensor, appears: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives [n] of glucose in plasma and tissue."""
        p = self.p
        # uptake Vm0 + Vmx X, and what the liver holds back, kp3 L2 - kp1, both in one
        uptake, held = torch.addcmul(self.constant, self.fast, insulin + self.ib)
        flow = (p["k1"] * plasma).addcmul_(p["k2"], tissue, value=-1)
        made = held.addcmul_(p["kp2"], plasma).neg_().clamp_(min=0)
        made.add_(appears).sub_(flow).add_((plasma - KE2).clamp_(min=0), alpha=-KE1)
        taken = uptake.mul_(tissue).div_(p["Km0"] + tissue)
        return made, flow.sub_(taken)
