words | count | frame
