"""Patients at a clinic without appointments, simulated with SimPy."""

import simpy


def simulate(
    doctors: int = 2,
    gap: float = 6.0,  # mean time between arrivals
    consultation: float = 10.0,  # mean time with a doctor
    patience: float = 30.0,  # mean time after which a waiting patient leaves
    urgent: float = 0.1,  # share of patients who are seen first
    hours: float = 8.0,  # for which the door is open
    *,
    random,  # the point's random numbers, of sweepctl
):
    """A clinic: patients arrive, wait by urgency, lose patience or see a doctor."""
    draw = random.python()
    clinic = simpy.Environment()
    staff = simpy.PriorityResource(clinic, doctors)
    patients = []

    def patient(arrived):
        is_urgent = draw.random() < urgent
        # Drawn at once, so that clinics with more doctors have the same patients.
        patience_left, needed = draw.expovariate(1 / patience), draw.expovariate(1 / consultation)
        with staff.request(priority=0 if is_urgent else 1) as doctor:
            yield doctor | clinic.timeout(patience_left)
            is_seen = doctor.triggered
            patients.append((arrived, is_urgent, clinic.now - arrived, is_seen))
            if is_seen:
                yield clinic.timeout(needed)

    def door():
        while clinic.now < hours * 60:
            clinic.process(patient(clinic.now))
            yield clinic.timeout(draw.expovariate(1 / gap))

    clinic.process(door())
    clinic.run()
    arrived, was_urgent, waited, was_seen = zip(*patients, strict=True)
    waits = [wait for wait, is_seen in zip(waited, was_seen, strict=True) if is_seen]
    return {
        "patients": len(patients),
        "gave_up": was_seen.count(False),
        "mean_wait": sum(waits) / len(waits) if waits else None,
        "longest_wait": max(waits, default=None),
        "closed": clinic.now,
        "visits": {"arrived": arrived, "urgent": was_urgent, "waited": waited, "seen": was_seen},
    }
