words | LC_ALL=C sort -u | frame
