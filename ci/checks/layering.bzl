"""layering_test(): forbidden dependencies between folders, checked over a binary's real dependency graph."""

def layering_test(name, root, forbidden):
    """A test that fails when a dependency crosses the layer chart the wrong way.

    Args:
      name: of the test.
      root: the binary whose dependencies are looked at.
      forbidden: rule name -> (folders as a regular expression, what nothing in them may depend on).
    """
    results = []
    for rule, (lower, upper) in forbidden.items():
        query = name + "_" + rule
        native.genquery(
            name = query,
            testonly = True,
            expression = "filter('^{upper}[/:]', deps(filter('^{lower}[/:]', deps({root}))))".format(
                lower = lower,
                root = root,
                upper = upper,
            ),
            scope = [root],
        )
        results.append(":" + query)
    native.sh_test(
        name = name,
        size = "small",
        srcs = ["layering_test.sh"],
        args = ["$(location %s)" % result for result in results],
        data = results,
    )
