"""English words without information about the subject of a text: articles, pronouns, prepositions, auxiliaries."""

STOP_WORDS = frozenset(
    """
    a about above across after again against all almost along already also although always am among an and another any
    anyone anything are aren't around as at away back be became because become becomes been before behind being below
    between beyond both but by can can't cannot could couldn't did didn't do does doesn't doing don't done down during
    each either else enough etc even ever every everyone everything except few for from further get gets getting give
    given go goes going gone got had hadn't has hasn't have haven't having he he'd he'll he's hence her here here's hers
    herself him himself his how however i i'd i'll i'm i've if in indeed instead into is isn't it it'd it'll it's its
    itself just keep least less let let's like likely made make makes making many may maybe me might mine more most much
    must my myself near neither never nevertheless no nobody none nor not nothing now nowhere of off often on once one
    ones only onto or other others otherwise our ours ourselves out over own per perhaps quite rather really said same
    say says see seem seemed seems several shall she she'd she'll she's should shouldn't since so some someone something
    sometimes somewhere still such take taken takes than that that's the their theirs them themselves then there there's
    therefore these they they'd they'll they're they've thing things this those though through throughout thus to
    together too toward towards two under unless until up upon us use used uses using very via was wasn't way we we'd
    we'll we're we've well were weren't what what's whatever when where whereas wherever whether which while who who'd
    who's whoever whole whom whose why will with within without won't would wouldn't yet you you'd you'll you're you've
    your yours yourself yourselves
    """.split()  # noqa: SIM905 - a paragraph is easier to read than 250 strings
)
