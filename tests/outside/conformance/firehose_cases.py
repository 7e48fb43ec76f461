from suite import Suite
FIREHOSE=Suite("firehose","{}")
class Streams:
    pass
