"""SCRATCH, not committed"""
def prepare(photo, preprocessing): raise NotImplementedError
def buckets(shapes, batch_size): raise NotImplementedError
