"""The client library of DfAnalyzer and DLProv, recording into Trilha.

The modules, classes, signatures and assertions are those of the clients that DLProv, DNNProv and Keras-Prov
ship, so that scripts written for them run unchanged; the code is our own. Nothing is sent anywhere: a task
becomes an activity of the run that Trilha records.
"""
