"""The question `grad-cam`: the parts of a window that raise the prediction of a gene."""
