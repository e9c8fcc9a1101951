"""Quality of the models: any folder of a known layout, trained and scored fold by fold.

`python -m benchmarks.quality --task emotion --data FOLDER --corpus ravdess` trains a fold at a time, asks the exported
graph, keeps each answer, and lets a separate program (`benchmarks.quality.score`) score answers against references.
"""
