/**
 * What would help after a refusal: the numbers of mur_error.remedy in this room. Which option that
 * is, says who has options.
 */
#ifndef MUR_CONVERTERS_REMEDY_H
#define MUR_CONVERTERS_REMEDY_H

enum mur_remedy {
    MUR_REMEDY_ALLOW_SHEAR = 1, /**< MUR_ALLOW_SHEAR */
    MUR_REMEDY_ANALYZE_ORDER,   /**< say which way the rows of Analyze 7.5 run */
    MUR_REMEDY_NAN,             /**< say what values that are not finite become */
    MUR_REMEDY_ROUND_INTEGERS,  /**< map integers as floats are mapped */
    MUR_REMEDY_LOSSLESS,        /**< keep floats as floats */
    MUR_REMEDY_VOLUME_KIND,     /**< say what the volumes of the fourth dimension are */
    MUR_REMEDY_ALLOW_GAPS,      /**< make a volume of each part without a gap */
    MUR_REMEDY_SERIES,          /**< say which series is meant */
    MUR_REMEDY_OVERLAP,         /**< layers, or an order of segments */
    MUR_REMEDY_NAME_LABELS,     /**< name all labels, or leave some out */
    MUR_REMEDY_RESAMPLE,        /**< take the nearest label for each voxel of the image */
    MUR_REMEDY_BINARY,          /**< a binary segmentation instead of a label map */
};

#endif
