from suite import Suite
KINESIS=Suite("kinesis","{}")
class Desk:
    pass
