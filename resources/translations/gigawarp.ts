<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" sourcelanguage="en">
<context>
    <name>Command</name>
    <message>
        <source>Open &amp;fixed image…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The image that stays where it is</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open &amp;moving image…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The image that is aligned to the fixed one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open &amp;results…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The folder a run has written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open &amp;session…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Files, views, alignment and job saved together</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Try with a made-up &amp;pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Two heads that a known warp relates, with labels and landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Save session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Files, views, alignment and job together</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save session &amp;as…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Under another name</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The view that has the focus, as PNG</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close the window</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Blend</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed in orange and moving in blue; equal is grey</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Checkerboard</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Squares of one and the other</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Swipe</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>One on each side of an edge that can be dragged</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Flicker</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>One after the other at the same spot</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Edges</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Contours of the fixed image over the moving one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Difference</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed minus moving, each in its window</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the &amp;moving image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Off: the fixed image alone</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Previous slice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of the view that has the focus</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Next slice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Zoom &amp;in</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>All views together</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Zoom &amp;out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Reset the view</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The whole volume, its middle under the crosshair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the views looked before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Forward</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the views looked after</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turn the &amp;planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Handles on the crosshair that slant the other two planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turn &amp;left</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The planes about the view that has the focus, by five degrees</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turn ri&amp;ght</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Strai&amp;ghten the planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Back to axial, coronal and sagittal; the place stays</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Keep this view…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Under a name, to come back to; kept in the session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ne&amp;urological display</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The patient&apos;s left on the left; off: radiological</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Four &amp;views</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Three planes and the brain in 3-D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;One view</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The view that has the focus, large</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Three side by side</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Axial, coronal, sagittal</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed, mo&amp;ving, warped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A column for each image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Deformation &amp;grid</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Lines that are straight where nothing is deformed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Jacobian map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the warp grows (orange), shrinks (blue) or folds (magenta)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Local correlation map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Bright where the images disagree</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Inverse error map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How far forward and back again ends from the start; bright is far</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Displacement arrows</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the deformation leads, with a scale</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Flip between two &amp;runs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Their warps in turn at the same spot; choose them among the runs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Difference of t&amp;wo runs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How far apart their warps lead, as a map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Next &amp;worst place</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Jumps to the next place that is least to be trusted</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drop &amp;landmark pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At the crosshair in the fixed image and where the warp leads in the moving one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Correct the pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its place in the moving image is what the warped image shows at the crosshair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Hold the pair out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Out of every fit, so that it tells the error elsewhere; or use it again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Re&amp;move the pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The landmark pair that is chosen</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Align by hand</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drag and rotate the moving image on the slices</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the &amp;centres</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Middle of the moving volume on the middle of the fixed one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Forget the alignment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Back to what the files say</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Undo</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Alignment, display, landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Redo</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What was undone</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Start registration</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>With the job of the Register panel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Pause or go on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run keeps its memory while it pauses</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Cancel the run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A checkpoint stays, so that it can go on later</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Settings…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keys, appearance, conventions</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a &amp;batch…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The folder that gigawarp batch has filled, to go through its pairs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Warped &amp;image…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The moving image on the grid of the fixed one, by the warp that is shown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Warped &amp;labels…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The moving image&apos;s labels on the grid of the fixed one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Transform…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From points of the fixed image to the moving one, LPS mm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>L&amp;andmarks…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Two files, for gigawarp register --landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>List of re&amp;jects</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of the batch under review, as a list that batch runs again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Contact sheet of the batch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A page with all pairs and the verdicts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Picture of the view…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Report…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Figures and pictures of the results in one file, HTML or PDF</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Data</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The files and how they are shown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Re&amp;gister</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The job of the next run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Re&amp;sults</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What was measured</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pairs and their residuals</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>R&amp;uns</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The runs of this session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ru&amp;n</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Progress, losses and log</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D: &amp;surface, cut open</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The fixed image&apos;s surface, cut away at the crosshair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D: surface of &amp;glass</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The surface seen through, for labels and planes inside</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D: &amp;volume rendering</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Bright tissue is opaque, dark tissue clear</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D: with&amp;out the head</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Planes, labels, grid and landmarks alone</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D: &amp;cut planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The slices of the other views, in 3-D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the &amp;moments</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Centres of mass together, and principal axes upon one another</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the lan&amp;dmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rigidly, by three or more pairs that are not held out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Formats and plugins…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What is read and written here, and plugins that were skipped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open by &amp;address…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>An OME-Zarr behind https:// or s3://, read as it is looked at</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open what was &amp;copied</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Files and addresses from the clipboard</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Less opaque</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of images more of the fixed one; of labels or a mask chosen among the data, these</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>More o&amp;paque</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of images more of the moving one; of labels or a mask chosen among the data, these</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>Program</name>
    <message>
        <source>&quot;%1&quot; did not answer: %2.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui</name>
    <message>
        <source>mean %1, p95 %2, max %3</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Similarity (NCC)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1, before %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Local correlation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>mean %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folds</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 voxels (%2 %)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 to %2, SD of log %3</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Inverse error</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels (Dice)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>mean %1, 30th percentile %2, %3 labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels (HD95)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels, inverse (Dice)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks held out (TRE)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks used (fit)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moving</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Figures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Contact sheet: fixed, warped, blend, edges, difference, det J, grid</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where to look first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>L %1, P %2, S %3 mm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The longest side is %1 mm in the fixed and %2 mm in the moving image: is a voxel size wrong?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>moving</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The %1 image is %2 mm long, which no brain is: is its voxel size in other units?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The axes of the %1 image are left-handed. That is allowed; check that its left is left.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The %1 image has one slice only; what moves out of it cannot be found.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>By what the files say, the two images do not overlap. The automatic start brings their centres together; or align them by hand.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>voxel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>axes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moving image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed mask</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moving mask</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moving labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fixed landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moving landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 points</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Size: %1 × %2 × %3 voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxel: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Axes grow towards: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Type: %1, %2, %3 in memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Values: %1 to %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Note: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>outside</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Displacement</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align two volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drop two image files anywhere in this window: first the fixed image, the one that stays
where it is (an atlas, say), then the moving one. Or choose them here.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Inverse error (mm)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Difference of the runs (mm)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>drag inside the ring: move, outside: rotate</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>voxel %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>no picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Edges of the fixed image over the warped one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>NCC</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Local NCC</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice, mean</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice, 30th percentile</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>, of an earlier run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Batch %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 pairs: %2 done, %3 failed, %4 to do. Worst first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxels (log scale), %1 folds of %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Histogram of det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 mm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 µm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>level %1 (%2)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Type: %1, %2, %3 of numbers in the file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Streams, one level</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Streams, %1 levels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Values: %1 to %2, by %3</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Damaged, hatched in the views: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>… and %1 more</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run was killed from outside; the system does that when memory is short.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run was killed from outside (SIGKILL). The kernel reports no kill for want of memory, but a memory guard such as systemd-oomd may have done it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> It held %1.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The system ran out of memory and killed the run.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> Close other programs, or give the run less: a coarser level, fewer channels, another device.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>damaged</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 (level %2)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>NIfTI, OME-Zarr, N5, Imaris, BigDataViewer, NRRD, MetaImage, MINC, MRC, TIFF, HDF5, DICOM folders</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>extent, mm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>channel %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>time point %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shown: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 (%2)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: opacity %2 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names: %1 labels, from %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>+ %1 more</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::BrainView</name>
    <message>
        <source>The fixed image in 3-D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D · fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drag to turn, middle or Ctrl+drag to move, wheel to zoom, double click for the front. Arrows turn, Shift+arrows move, + and − zoom, Home resets.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show in 3-D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Look from the front</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the 3-D view shows</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the graphics driver does not answer any more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The 3-D view is drawn by the processor, without labels, planes and grid: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3-D · moving</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · labels: moving, warped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · labels: fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drawn by the processor, without labels, planes and grid: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Making surfaces …</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::DataPanel</name>
    <message>
        <source>Layers</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shown black</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shown white</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>1–99 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Window from the 1st to the 99th percentile</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Window</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Grey</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Diverging</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sequential</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Colour map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Colours</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing here yet. Drop a file on the row above, or double-click it to choose one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a file…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxel size…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose an address…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the image is seen over what is below it: the other image, then the ground. The difference is not faded.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names of the labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names and colours of the labels: label descriptions of ITK-SNAP, tables of FreeSurfer, CSV (index,name) or BIDS _dseg.tsv. A file of the volume&apos;s name beside it is taken by itself; others can be dropped here.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names of the labels…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Forget the names</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the areas is seen over the images; their outlines stay</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the outline is seen over the images</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::DemoPair</name>
    <message>
        <source>The made-up pair could not be written to &quot;%1&quot;: %2</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::Exporter</name>
    <message>
        <source>Open a fixed and a moving image first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>There are no labels of the moving image to be warped.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run has not ended; its results can be exported then.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The other run is shown in turn; go back to this one (Flip between two runs).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is still being written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancelled; &quot;%1&quot; was not written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; was not written: %2</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::FormatsDialog</name>
    <message>
        <source>Formats and plugins</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Formats of images</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Format</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Can</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking for plugins …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Plugins that were skipped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>folders</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>read</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>in part</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>write</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>built in</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>plugin %1 %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Plugins are looked for in: %1</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::HandLog</name>
    <message>
        <source>%1: closed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: opened  (register %2 %3)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>alignment: forgotten, what the files say counts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>alignment, moving from fixed in LPS mm: %1  (a job&apos;s &quot;initial_transform&quot;, register --init FILE)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>landmarks: %1 pairs  (register --landmarks %2 %3)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>landmark %1: fixed %2, moving %3 mm LPS%4</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>, held out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>landmark %1: removed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: another part of &quot;%2&quot;  (register %3)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: %2 names  (qc --label-names %3)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: without names</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::JacobianHistogramView</name>
    <message>
        <source>Histogram of det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many voxels shrink (blue) or grow (orange) by how much; a fold is a voxel where det J is not positive</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 folds</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No deformation has been measured.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>no folds in %1 voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>folds: %1 of %2 voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxels (log scale), %1</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::JobModel</name>
    <message>
        <source>Rigid</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Similarity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Affine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Greedy</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>SyN</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>LNCC %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>MI %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>MSE</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Greedy and SyN deform; SyN from both sides</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>LNCC with its radius, MI with its bins, or MSE</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shrink factor × iterations, coarse to fine; double-click to edit: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stage</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Metric</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Levels</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::JointHistogramView</name>
    <message>
        <source>Joint histogram of the fixed and the warped moving image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What intensities meet where the images overlap; the sharper the pattern, the better they agree. MI is the mutual information of these counts.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Mutual information %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The joint histogram of a pair appears here.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::JointModel</name>
    <message>
        <source>fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>fixed, level %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>warped, level %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>warped</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::LandmarkModel</name>
    <message>
        <source>%1 (held out)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Before (mm)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>After (mm)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::LandmarkPairs</name>
    <message>
        <source>held out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>used</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Hold out %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rename landmark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Kept out of every fit, so that it tells the error elsewhere</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From where the warp leads to the moving point</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Held out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Residual (mm)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::LandmarkPanel</name>
    <message>
        <source>Landmarks (*.csv *.fcsv *.mrk.json *.json);;All files (*)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmark pairs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drop pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At the crosshair in the fixed image, and where the warp leads in the moving one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Correct</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its place in the moving image is what the warped image shows at the crosshair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The chosen pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Two files: of the fixed and of the moving image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Two files, for gigawarp register --landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>○ used, □ held out, × where the warp shows the moving point</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No pairs yet. Put the crosshair on a structure and drop a pair (L); then put it where the moving image shows the same structure and correct the pair (Shift+L).</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Used: %1, mean residual %2 mm (of the fit)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Held out: %1, mean error %2 mm (TRE)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drop or choose a landmark pair first.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove landmark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose two files: of the fixed and the moving image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks come in two files, one of each image.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the landmarks of the fixed image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks written to %1 and %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Not written: the points of the moving image would replace &quot;%1&quot;; choose another name.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::LayerModel</name>
    <message>
        <source>drop a file here</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>reading %1 …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 (failed)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 points, not in a file yet</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Double-click to choose a file, or drop one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Layer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>File</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::LossCurveView</name>
    <message>
        <source>Loss of every level</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The loss of every level appears here while a registration runs.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::MainWindow</name>
    <message>
        <source>Data</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Register</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Runs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Place of the crosshair; type a point to go there</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Re&amp;cent</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Edit</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>K&amp;ept views</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Compare</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Align</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Judge</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Making a pair of heads …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Compare mode</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Overlay</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Grid</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Arrows</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turn the planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the centres</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Forget the alignment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Gigawarp – registering</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A registration is running</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop and close</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the folder of a run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>running</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>no results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Unfinished run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run in &quot;%1&quot; was stopped before its end. Go on from its checkpoint?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the picture of the view</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PNG pictures (*.png)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Picture written to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; could not be written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sessions (*.gigawarp)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Recover</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Gigawarp did not end in order last time. Bring back what was open?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Bring back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Forget it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing yet</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep this view</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>View %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing kept yet</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Review</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Type a point and press Return: &quot;R 12 A 3.5 S 40&quot;, &quot;x, y, z&quot; in mm (LPS; add µm for micrometres), or &quot;v 64 64 32&quot; for a voxel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Next: the fixed image, the one that stays where it is. Drop it here or open it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Next: the moving image. Drop it here or open it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Next: see that both show the same side of the same head (keys 1 to 6 compare), then start.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Export</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Panels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Head in 3-D</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cut planes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Measuring centres of mass and axes …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Aligned by moments.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the moments</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Align the landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Let it go on without the window, or stop it after a checkpoint? Opening its folder here watches it again, or goes on from the checkpoint.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Let it go on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>NIfTI (*.nii.gz *.nii);;OME-Zarr (*.ome.zarr);;NRRD (*.nrrd);;MetaImage (*.mha);;All files (*)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>All stages, for ITK (*.h5);;Displacements in LPS mm, as ANTs writes them (*.nii.gz);;Matrix, for ITK and ANTs (*.mat *.txt *.tfm);;All files (*)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Written to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing half-written stays</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing %1 …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the transform: it maps points of the fixed image to the moving one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the labels of the moving image, warped to the fixed one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the moving image, warped to the fixed one</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>picture of the view %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Picture written to %1; parts of it were still coarse when it was taken</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the folder of a batch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Change the job, the masks or the alignment and start: the result replaces the pair&apos;s.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>plugin skipped: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Plugins were skipped; the log and Help, Formats say why.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>session saved  (gigawarp %1)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>landmarks written  (register --landmarks %1 %2)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>report %1  (figures: gigawarp qc --result %2)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>review of %1: %2  (verdict.json in its folder)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>review: %1 written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxel size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How large are the voxels of &quot;%1&quot;? Three numbers along x, y, z of the file, in mm:</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is no voxel size: three numbers above 0, as 0.5, 0.5, 2.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open by address</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The address of an OME-Zarr: https://…, http://… or s3://BUCKET/…
Only what is looked at is read.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is no address; it begins with https://, http:// or s3://.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No file and no address was copied.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the export is written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>about %1 to go</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n pair(s) of landmarks and the alignment by hand are in no file.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n pair(s) of landmarks are in no file.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>The alignment by hand is in no file.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep what was done by hand?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A session keeps all of it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the session…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close without it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run in &quot;%1&quot; has finished; the panel Runs shows its results.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A file is being written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is not whole yet. Close when it is, or give it up? Nothing half-written stays.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Close when it is</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Give it up</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open without it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The difference shows figures, which opacity does not change; choose another compare mode, say 1, the blend.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names of the labels: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names of labels (*.txt *.label *.lut *.ctab *.ctbl *.csv *.tsv);;All files (*)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::MapOpacity</name>
    <message>
        <source>Opacity of the map</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the map is seen over the images. Folds stay in full.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Map: det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Map: local correlation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Map: inverse error</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Map: difference of the runs</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::OverlapModel</name>
    <message>
        <source>Label</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>HD95
(mm)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::PartChooser</name>
    <message>
        <source>Channel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The channel that is shown and registered</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Time point</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The time point that is shown and registered, counted from 0</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finest level</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The finest level that is shown, and the one that is registered: a coarser one takes less memory and time</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> of 0 to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: %2 × %3 × %4, %5</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::PlanModel</name>
    <message>
        <source>%1 s</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 min</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 h</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 of %2 free</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Device: %1, %2 threads</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Memory: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>GPU memory: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Disk: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Time: about %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The job could not be written to &quot;%1&quot;; is the disk full?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a fixed and a moving image first.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::RegisterPanel</name>
    <message>
        <source>Preset</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings that suit a kind of pair</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Initial alignment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the first stage begins</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the files say</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Centres</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Moments</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The alignment by hand</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>only non-zero voxels of fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>only non-zero voxels of moving</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>For brain-extracted images, in place of a mask file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Masks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Device</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>also the inverse warp</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Write</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder for the results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Made when the run starts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Results in</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the run takes the images for; the letters say where each stored axis points. L and R in the views are drawn by the same geometry.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start registration</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load job…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings and files from a job.json</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save job…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>For gigawarp register --job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy command</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A command line that does the same run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>changed; choose the preset again to go back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Check the images first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start anyway</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Results exist</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; already holds a run. Replace it?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Load a job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Jobs (*.json)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; could not be read.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; could not be written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copied: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>job loaded  (gigawarp register --job %1)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>job saved  (gigawarp register --job %1)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::Results</name>
    <message>
        <source>The images of this run could not be read: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 of %2: %3</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Measured on coarse levels, as these images are streamed: %1. &quot;gigawarp qc&quot; measures at the level that you name.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>2nd</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>3rd</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1th</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The warp is larger than half the memory set for volumes: it is held, shown and measured at every %1 voxel, which may miss small folds. Set more memory in the settings, or see result.json, where the whole warp was measured.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::ResultsPanel</name>
    <message>
        <source>Next worst place</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folds, landmarks, low local correlation, strong compression and growth in turn, worst first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Landmarks</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Report written to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Figures appear here when a run has finished, or when you open the folder of an earlier one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading %1 …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Measuring …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export the report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Registration %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; could not be written.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Export report…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Web pages (*.html);;PDF, to print (*.pdf)</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::ReviewModel</name>
    <message>
        <source>NCC %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>landmarks %1 mm</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>folds %1 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>accepted</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>rejected</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>to fix</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 (earlier run)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 of %2 judged: %3 accepted, %4 rejected, %5 to fix</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · %1 failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · %1 still to run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 warnings, see log.txt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 by %2, %3</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>failed: %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>running, or stopped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>not run yet</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pair, worst first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Figures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::ReviewPanel</name>
    <message>
        <source>Pairs of the batch, worst first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Accept  A</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The pair is good; on to the next</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reject  R</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The pair is not usable; on to the next</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fix  F</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Opens the pair with its job, to be done again by hand</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Undo  U</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Takes the verdict back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>List of rejects…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writes rejects.csv, which batch runs again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Contact sheet…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writes index.html with the verdicts and opens it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Contact sheet written to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run them again with: gigawarp batch %1 --out FOLDER</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No batch is open. &quot;gigawarp batch pairs.csv --out results&quot; runs many pairs; open its folder with File, Open a batch.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::RunController</name>
    <message>
        <source>The job could not be written to &quot;%1&quot;; is the disk full?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A run cannot start another run.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; could not be started: %2.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> It can go on from its last checkpoint.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> It had not reached its first checkpoint.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run ended by signal %1, a defect of Gigawarp or of a driver.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finished in %1 s.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run failed with exit code %1.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Watching the run in %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No longer watched; the run goes on.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run that was watched has ended without results.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>the same again:  %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run goes on by itself.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading the images</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The images are read</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>First alignment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking for a first alignment</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The first alignment is found</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Inverse</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Computing the inverse</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The inverse is computed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Writing the results</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The results are written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>shrunk %1 times</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>full resolution</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1, level %2 of %3 (%4)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 is done after %2 iterations: loss %3, folds %4 %, %5 ns per voxel and iteration</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 begins</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 is done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run begins</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A checkpoint is written</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Warning</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run pauses</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run goes on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run is done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run has ended early</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rigid</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Similarity</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Affine</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Greedy</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>SyN</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: %2</source>
        <comment>what happened: the program&apos;s own words</comment>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::RunList</name>
    <message>
        <source>Show the results of one run, then choose another run of the same pair.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Comparing with %1 …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1, shown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Preset</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>NCC</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dice</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folds</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Time</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::RunPanel</name>
    <message>
        <source>Progress of the run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stops computing and keeps everything in memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ends the run; a checkpoint stays</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on from the checkpoint</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The result is the same as without the stop</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Log of the run</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What a run says appears here.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing runs. Set up the job on the right, then start it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Starting …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Watching a run of another program; it is steered where it was started</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Running</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paused</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stopping after a checkpoint …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Stop watching</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1, level %2/%3, iteration %4/%5</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>about %1 to go</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 elapsed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 in memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 ns/voxel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 on the GPU</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 on the GPUs</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::RunsPanel</name>
    <message>
        <source>Runs of this session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its results in the window</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Compare</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its warp with the one of the run that is shown</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Flip</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looks at both warps in turn, at the same spot</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The run that is shown is bold. Choose another of the same pair to compare it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Runs are listed here when they begin, or when you open the folder of an earlier one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 and %2 lie %3 mm apart on average, 95 % within %4 mm, at most %5 mm. The views warp by %6.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::Session</name>
    <message>
        <source>The session &quot;%1&quot; could not be written; is the folder writable?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Session saved to %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is not a session of this version of Gigawarp.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The session &quot;%1&quot; could not be read.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the session</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; has changed since the session was saved.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Session saved to %1. It goes on to name what could not be read: %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The session&apos;s results in &quot;%1&quot; are missing; bring the folder back and open the session again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The session&apos;s file &quot;%1&quot; is missing; double-click its row to say where it is, or bring it back and open the session again.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::SettingsDialog</name>
    <message>
        <source>Settings</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>As the system</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Light</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keys</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Command</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Key</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keys of</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 is also the key of &quot;%2&quot;; neither would work.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> MiB</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Memory for streamed volumes</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What volumes that stay in their files may take, all together; a larger one is shown as finely, but read more often. Default: %1 MiB.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::SliceView</name>
    <message>
        <source>Axial</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Coronal</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sagittal</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 · fixed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 · moving</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 · warped</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1, oblique</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Move by hand</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rotate by hand</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · level %1, for more memory see Settings</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> · level %1</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1 …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Window</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::StageEditor</name>
    <message>
        <source>Stages</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Kind of stage</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the stage may change</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Metric</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>LNCC: same or similar contrast; MI: different contrast; MSE: same scanner</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source> voxels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Half the window of local correlation</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Of the joint histogram, per axis</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Kind</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Radius</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Bins</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Largest displacement of an iteration</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fluid smoothing</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Smoothing of the gradient: larger is stiffer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Elastic smoothing</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Smoothing of the field: larger is stiffer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Least det J</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The warp is kept from shrinking below this</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::VolumeLoader</name>
    <message>
        <source>There is not enough memory to read &quot;%1&quot;.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The first of %1 channels is shown.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>say it (Voxel size… in the menu of its row)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Without names of the labels: %1</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>gigawarp::ui::Workspace</name>
    <message>
        <source>Drop landmark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Correct landmark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show a layer</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open another image</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Labels, mask, landmarks and alignment of the image before were put away.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is no volume. Names of labels can be opened when the label volume that they belong to is open.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&quot;%1&quot; is a surface, which the window does not show; &quot;gigawarp apply --mesh&quot; moves it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading &quot;%1&quot;.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
</TS>
