"""The tables of the Third Provenance Challenge: columns, keys, computed columns and ranges.

The names are those of the challenge's LoadWorkflow, which loads detections of the Pan-STARRS sky survey.
"""

from dataclasses import dataclass, field

MISSING = -999
"""Stands for a value that was not measured; the range checks pass over it."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: their names, in the order of the CSV files.
        key: the primary key.
        refers: column -> the table whose key it is.
        computed: column -> the expression of SQL that computes it from other columns.
        ranges: column -> lowest and highest value.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    refers: dict[str, str] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


FRAME = """
    frameID surveyID filterID cameraID telescopeID analysisVer p1Recip p2Recip p3Recip nP2Images
    astroScat photoScat nAstRef nPhoRef expStart expTime airmass raBore decBore
"""
IMAGE = """
    imageID frameID ccdID photoCalID filterID bias biasScat sky skyScat nDetect magSat completMag
    astroScat photoScat nAstRef nPhoRef nx ny psfFwhm psfModelID psfSigMajor psfSigMinor psfTheta
    psfExtra1 psfExtra2 apResid dapResid detectorID qaFlags detrend1 detrend2 detrend3 detrend4 detrend5
    detrend6 detrend7 detrend8 photoZero photoColor projection1 projection2 crval1 crval2 crpix1 crpix2
    pc001001 pc001002 pc002001 pc002002 polyOrder pca1x3y0 pca1x2y1 pca1x1y2 pca1x0y3 pca1x2y0 pca1x1y1
    pca1x0y2 pca2x3y0 pca2x2y1 pca2x1y2 pca2x0y3 pca2x2y0 pca2x1y1 pca2x0y2
"""
DETECTION = """
    objID detectID ippObjID ippDetectID filterID imageID obsTime xPos yPos xPosErr yPosErr instFlux
    instFluxErr psfWidMajor psfWidMinor psfTheta psfLikelihood psfCf infoFlag htmID zoneID assocDate
    modNum ra dec raErr decErr cx cy cz peakFlux calMag calMagErr calFlux calFluxErr calColor
    calColorErr sky skyErr sgSep dataRelease
"""

TABLES = {
    "P2FrameMeta": Table(tuple(FRAME.split()), ("frameID",)),
    "P2ImageMeta": Table(tuple(IMAGE.split()), ("imageID",), {"frameID": "P2FrameMeta"}),
    "P2Detection": Table(
        tuple(DETECTION.split()),
        ("objID", "detectID"),
        {"imageID": "P2ImageMeta"},
        {
            "zoneID": "(dec + 90.0) / 0.0083333",
            "cx": "cos(radians(dec)) * cos(radians(ra))",
            "cy": "cos(radians(dec)) * sin(radians(ra))",
            "cz": "sin(radians(dec))",
        },
        {"ra": (0, 360), "dec": (-90, 90), "raErr": (-2000, 9), "decErr": (0, 9)},
    ),
}
"""In the order in which their files are loaded."""
