"""What ``interestream doctor`` checks, one file per subject. A check changes nothing and names the mend."""
